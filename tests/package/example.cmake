# SPDX-License-Identifier: Apache-2.0
# Copies an example out of our tree, builds it against an installed llep and, where EXPECT is given,
# runs it: it ends well, having printed that.
# usage: cmake -D EXAMPLE=<folder of examples> -D WORK_DIR=<scratch folder> -D GENERATOR=...
#   -D COMPILER=... -D "OPTIONS=-D...;..." [-D "LAUNCHER=<command>;..."] [-D EXPECT=<words>]
#   -P example.cmake
include("${CMAKE_CURRENT_LIST_DIR}/setup.cmake")

file(REMOVE_RECURSE "${WORK_DIR}")
file(COPY "${root}/examples/${EXAMPLE}/" DESTINATION "${WORK_DIR}/source")
must_run(${CMAKE_COMMAND} -S "${WORK_DIR}/source" -B "${WORK_DIR}/build" -G "${GENERATOR}"
  -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release ${OPTIONS})
must_run(${CMAKE_COMMAND} --build "${WORK_DIR}/build" --config Release)
if(NOT EXPECT)
  return()
endif()
must_run(${LAUNCHER} "${WORK_DIR}/build/${EXAMPLE}")
string(FIND "${output}" "${EXPECT}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${EXAMPLE} should print \"${EXPECT}\", and printed:\n${output}")
endif()
