# SPDX-License-Identifier: Apache-2.0
# Copies a stranger's PROJECT of this folder out of our tree, with the README's program as its
# layer.cpp and the same on Eigen's kernels as eigen_layer.cpp, and configures, builds and tests it.
# usage: cmake -D PROJECT=<folder> -D WORK_DIR=<scratch folder> -D GENERATOR=... -D COMPILER=...
#   [-D "OPTIONS=-D...;..."] -P build_and_run.cmake
include("${CMAKE_CURRENT_LIST_DIR}/setup.cmake")

file(REMOVE_RECURSE "${WORK_DIR}")
file(COPY "${CMAKE_CURRENT_LIST_DIR}/${PROJECT}/" DESTINATION "${WORK_DIR}/source")
file(READ "${root}/examples/readme/first_layer.cpp" program)
file(WRITE "${WORK_DIR}/source/layer.cpp" "${program}")
string(REPLACE "llep::loops_kernel<" "llep::eigen::kernel<" program "${program}")
file(WRITE "${WORK_DIR}/source/eigen_layer.cpp"
  "#include <llep/backends/eigen/kernel.hpp>\n${program}")

# What a release holds for those who use it: no tests, no examples.
if(PROJECT STREQUAL fetch_content)
  must_run(${CMAKE_COMMAND} -E chdir "${root}" ${CMAKE_COMMAND} -E tar czf
    "${WORK_DIR}/llep.tar.gz" CMakeLists.txt LICENSE backends cmake include)
  list(APPEND OPTIONS "-DLLEP_URL=${WORK_DIR}/llep.tar.gz")
endif()

must_run(${CMAKE_COMMAND} -S "${WORK_DIR}/source" -B "${WORK_DIR}/build" -G "${GENERATOR}"
  -DCMAKE_CXX_COMPILER=${COMPILER} ${OPTIONS})
must_run(${CMAKE_COMMAND} --build "${WORK_DIR}/build" --config Debug)
must_run(${CMAKE_CTEST_COMMAND} --test-dir "${WORK_DIR}/build" -C Debug
  --output-on-failure --no-tests=error)
