# SPDX-License-Identifier: Apache-2.0
# Runs a job that is to end badly: not well, not by a timeout, with its cause so many times on
# standard error, and where it is agreed on, within a second of the step.
# usage: cmake -D MPIEXEC=<mpiexec and its options> -D PROGRAM=... -D SCENARIO=... -D EXPECT=<words>
#   -D TIMES=<n> -D REFUSALS=<ranks that agree on it> -P check.cmake
execute_process(COMMAND ${MPIEXEC} "${PROGRAM}" ${SCENARIO}
  TIMEOUT 60 RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REPLACE ";" "," output "${output}")
message(STATUS "ends with ${status}:\n${output}")
if(NOT status MATCHES "^[1-9][0-9]*$") # an exit code, that is: no timeout, and no signal of ours
  message(SEND_ERROR "must end by itself, and not with 0")
endif()
string(REGEX REPLACE "([][+.*()^?|$\\])" "\\\\\\1" pattern "${EXPECT}")
string(REGEX MATCHALL "${pattern}" found "${output}")
list(LENGTH found count)
if(NOT count EQUAL TIMES)
  message(SEND_ERROR "has these words ${count} times, not ${TIMES}: ${EXPECT}")
endif()
string(REGEX MATCHALL "refused after [0-9]+ ms" times "${output}")
list(LENGTH times count)
if(NOT count EQUAL REFUSALS)
  message(SEND_ERROR "${count} ranks say when it was refused, not ${REFUSALS}")
endif()
foreach(time IN LISTS times)
  string(REGEX REPLACE "[^0-9]" "" time "${time}")
  if(time GREATER_EQUAL 1000)
    message(SEND_ERROR "refused after ${time} ms, not within a second")
  endif()
endforeach()
