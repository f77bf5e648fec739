# SPDX-License-Identifier: Apache-2.0
# No CMake: the README's command, with the warnings a stranger may have switched on, and without
# run-time type information.
# usage: cmake -D COMPILER=... -D WORK_DIR=<scratch folder> -P bare.cmake
include("${CMAKE_CURRENT_LIST_DIR}/setup.cmake")

file(REMOVE_RECURSE "${WORK_DIR}")
file(MAKE_DIRECTORY "${WORK_DIR}")
must_run("${COMPILER}" -std=c++20 -pthread -fno-rtti -Wall -Wextra -Wpedantic -Wshadow -Werror
  -I "${root}/include" -I "${root}/backends/emulated/include"
  "${root}/examples/readme/first_layer.cpp" -o "${WORK_DIR}/layer")
must_run("${WORK_DIR}/layer")
if(NOT output MATCHES "expert 0: rank 0 lends it")
  message(FATAL_ERROR "the program says:\n${output}")
endif()
