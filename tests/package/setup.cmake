# SPDX-License-Identifier: Apache-2.0
# What the scripts here have in common. Strangers set none of our flags, and have none of ours.
cmake_minimum_required(VERSION 3.25)

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
cmake_path(GET root PARENT_PATH root)
set(ENV{LC_ALL} C) # the words are English
foreach(variable CXXFLAGS CPPFLAGS LDFLAGS CPATH CPLUS_INCLUDE_PATH DESTDIR CMAKE_BUILD_TYPE
    CMAKE_GENERATOR CMAKE_PREFIX_PATH CMAKE_INSTALL_PREFIX llep_DIR llep_ROOT)
  unset(ENV{${variable}})
endforeach()

# Runs a command that must succeed; `output` is what it said.
function(must_run)
  execute_process(COMMAND ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}\nends with ${status}:\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()
