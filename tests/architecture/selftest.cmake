# SPDX-License-Identifier: Apache-2.0
# Writes small trees with one fault each and expects layers.cmake to name the line of the fault.
# usage: cmake -D WORK_DIR=<scratch folder> -P selftest.cmake
cmake_minimum_required(VERSION 3.25)

set(tree "${WORK_DIR}/tree")
set(spdx "// SPDX-License-Identifier: Apache-2.0\n")
set(head "${spdx}#pragma once\n")
string(REPEAT "x" 94 x94)

function(write_sound_tree)
  file(REMOVE_RECURSE "${tree}")
  file(WRITE "${tree}/include/llep/shape.hpp" "${head}#include <vector>\n")
  file(WRITE "${tree}/include/llep/plan.hpp"
    "${head}#include <llep/detail/sum.hpp>\n#include <llep/shape.hpp>\n")
  file(WRITE "${tree}/include/llep/detail/sum.hpp" "${head}#include <llep/shape.hpp>\n")
  file(WRITE "${tree}/include/llep/kernel/loops.hpp"
    "${head}#include <llep/device/host.hpp>\n#include <llep/plan.hpp>\n"
    "#if __cplusplus > 1 // compiler\n#endif\n")
  file(WRITE "${tree}/include/llep/llep.hpp" "${head}#include <llep/kernel/loops.hpp>\n")
  file(WRITE "${tree}/backends/nccl/include/llep/backends/nccl/group.hpp"
    "${head}#include <llep/backends/cuda/queue.hpp>\n#include <llep/kernel/loops.hpp>\n"
    "#include <nccl.h>\n#ifdef NCCL_X\n#endif\n")
  file(WRITE "${tree}/backends/cuda/include/llep/backends/cuda/lla.cuh"
    "${head}#include <llep/planner/p.hpp>\n")
  file(WRITE "${tree}/tests/a.test.cpp"
    "${spdx}#include \"support/x.hpp\"\n// ${x94}π→∑\n") # 100 characters, 105 bytes
  file(WRITE "${tree}/cmake/get.sh" "#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0\n")
  file(WRITE "${tree}/build/test/CMakeLists.txt" "# somebody else's\n")
endfunction()

function(check)
  execute_process(COMMAND ${CMAKE_COMMAND} -D ROOT=${tree}
      -P "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/layers.cmake"
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(status "${status}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

# The sound tree with `text` as `file` breaks one rule: the one breach named is `expected`.
function(expect expected file text)
  write_sound_tree()
  file(WRITE "${tree}/${file}" "${text}")
  check()
  string(FIND "${output}" "${file}:${expected}" at)
  if(status EQUAL 0 OR NOT at EQUAL 0 OR NOT output MATCHES "\n *1 breaches in ")
    message(SEND_ERROR "expected only \"${file}:${expected}\", got:\n${output}")
  endif()
endfunction()

write_sound_tree()
check()
if(NOT status EQUAL 0)
  message(SEND_ERROR "the sound tree must pass:\n${output}")
endif()

# the core: standard library only, downwards only, no backend
expect("3: the core includes only" include/llep/shape.hpp "${head}#include <Eigen/Dense>\n")
expect("4: the core includes only" include/llep/plan.hpp "${head}\n#include \"shape.hpp\"\n")
expect("3: the core includes only" include/llep/plan.hpp "${head}# include <omp.h>\n")
expect("3: includes upwards" include/llep/shape.hpp "${head}#include <llep/plan.hpp>\n")
expect("3: includes upwards" include/llep/concepts/c.hpp "${head}#include <llep/device/host.hpp>\n")
expect("3: includes upwards" include/llep/detail/sum.hpp
  "${head}#include <llep/concepts/device.hpp>\n")
expect("3: includes upwards" include/llep/kernel/detail/x.hpp
  "${head}#include <llep/dispatcher.hpp>\n")
expect("3: includes upwards" include/llep/testing/x.hpp "${head}#include <llep/llep.hpp>\n")
expect("1: has no layer" include/llep/odd/x.hpp "${head}")
expect("3: includes odd/x.hpp, which has no layer" include/llep/plan.hpp
  "${head}#include <llep/odd/x.hpp>\n")
expect("3: the core names a backend" include/llep/llep.hpp
  "${head}#include <llep/backends/emulated/run.hpp>\n")
expect("3: switches on a backend" include/llep/plan.hpp "${head}#ifdef __CUDACC__\n#endif\n")
expect("3: switches on a backend" include/llep/plan.hpp
  "${head}#if defined(LLEP_HAS_MPI)\n#endif\n")

# a backend: the lower layers, device/, kernel/, and itself
set(group backends/kokkos/include/llep/backends/kokkos/group.hpp)
expect("3: backend kokkos includes backend mpi" ${group}
  "${head}#include <llep/backends/mpi/group.hpp>\n")
expect("3: a backend may not include planner/" ${group} "${head}#include <llep/planner/p.hpp>\n")
expect("3: a backend may not include dispatcher" ${group} "${head}#include <llep/dispatcher.hpp>\n")
expect("3: a backend may not include detail/" ${group} "${head}#include <llep/detail/sum.hpp>\n")
expect("3: a backend may not include device/detail/" ${group}
  "${head}#include <llep/device/detail/x.hpp>\n")
expect("3: a backend names its own headers" ${group} "${head}#include \"other.hpp\"\n")

# every file
expect("1: the first line must be the SPDX line" include/llep/error.hpp "\n${head}")
expect("1: the first line must be the SPDX line" tests/b.test.cpp "int x;\n")
expect("1: the first line must be the SPDX line" cmake/get.sh "#!/bin/sh\n")
expect("1: a header needs #pragma once" tests/support/x.hpp "${spdx}// #pragma once\n")
string(REPEAT "// [\n\n" 150 long)
expect("1: the first line must be the SPDX line" CMakeLists.txt "project(x)\n")
expect("302: a header has at most 300 lines" include/llep/plan.hpp "${head}${long}")
expect("3: a line has at most 100 columns, not 101" tests/b.test.cpp "${spdx}\n// [;\\ ${x94}\n")
expect("2: a line has at most 100 columns, not 101" include/llep/shape.hpp
  "${spdx}// ${x94} 444\n#pragma once\n")
expect("4: a line has at most 100 columns, not 101" cmake/x.cmake
  "# SPDX-License-Identifier: Apache-2.0\n\n\n# ${x94}π→∑..\n")
