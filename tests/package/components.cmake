# SPDX-License-Identifier: Apache-2.0
# What a stranger is told when half of what it wants isn't there: configures PROJECT with OPTIONS
# and expects it to stop, or to go on, with these words.
# usage: cmake -D PREFIX=<installed> -D WORK_DIR=<scratch folder> -D GENERATOR=... -D COMPILER=...
#   -P components.cmake
include("${CMAKE_CURRENT_LIST_DIR}/setup.cmake")

set(installed "-Dllep_ROOT=${PREFIX}")
set(source "-DLLEP_SOURCE_DIR=${root}")
set(hide_eigen -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON)

# expect(stops|goes_on <words> <project> <option>...)
function(expect what words project)
  file(REMOVE_RECURSE "${WORK_DIR}")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${project}" -B "${WORK_DIR}"
      -G "${GENERATOR}" -DCMAKE_CXX_COMPILER=${COMPILER} ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}") # CMake breaks lines where it likes
  string(FIND "${output}" "${words}" at)
  if(at EQUAL -1 OR (what STREQUAL stops AND status EQUAL 0)
      OR (what STREQUAL goes_on AND NOT status EQUAL 0))
    message(SEND_ERROR "${project} ${ARGN}\nends with ${status}; expected: ${what}: ${words}\n"
      "got:\n${output}")
  endif()
endfunction()

set(no_eigen "llep::eigen needs Eigen3 3.4, which isn't found: install it, or name its place")
set(no_nosuch "llep has no backend called nosuch (there are: ")

# an installed llep: a component that is needed stops, one that is optional doesn't
expect(stops "${no_eigen}" components ${installed} ${hide_eigen}
  "-DWANTED=REQUIRED\;COMPONENTS\;eigen")
expect(goes_on "found: llep 1, eigen FALSE, nosuch FALSE" components ${installed} ${hide_eigen}
  "-DWANTED=REQUIRED\;OPTIONAL_COMPONENTS\;eigen\;nosuch")
expect(goes_on "found: llep 0, eigen FALSE" components ${installed} ${hide_eigen}
  "-DWANTED=QUIET\;COMPONENTS\;eigen")
expect(stops "${no_nosuch}" components ${installed} "-DWANTED=REQUIRED\;COMPONENTS\;nosuch")
foreach(words IN ITEMS "${no_nosuch}" "${no_eigen}") # of two reasons, both
  expect(stops "${words}" components ${installed} ${hide_eigen}
    "-DWANTED=REQUIRED\;COMPONENTS\;nosuch\;eigen")
endforeach()
expect(stops "compatible with requested version \"0.2\"" components ${installed}
  "-DWANTED=0.2\;REQUIRED")
expect(stops "compatible with requested version \"1\"" components ${installed}
  "-DWANTED=1\;REQUIRED")

# the source tree
expect(stops "${no_eigen}" add_subdirectory ${source} ${hide_eigen} -DLLEP_BACKENDS=eigen)
expect(stops "llep has no backend called nosuch" add_subdirectory ${source} -DLLEP_BACKENDS=nosuch)
