# SPDX-License-Identifier: Apache-2.0
# Runs a command that must end by itself, with this exit code, and say this on standard output and
# error together; PASS_REGULAR_EXPRESSION of ctest would let any exit code pass.
# usage: cmake -D EXIT_CODE=<n> -D EXPECT=<regex> -P run_and_expect.cmake -- <command> <argument>...
cmake_minimum_required(VERSION 3.25)

set(command)
set(here FALSE)
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE ${last})
  if(here)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif(CMAKE_ARGV${i} STREQUAL "--")
    set(here TRUE)
  endif()
endforeach()

execute_process(COMMAND ${command}
  RESULT_VARIABLE code OUTPUT_VARIABLE output ERROR_VARIABLE output)
message(STATUS "ends with ${code}:\n${output}")
if(NOT code STREQUAL EXIT_CODE)
  message(SEND_ERROR "must end with ${EXIT_CODE}")
endif()
if(NOT output MATCHES "${EXPECT}")
  message(SEND_ERROR "must say: ${EXPECT}")
endif()
