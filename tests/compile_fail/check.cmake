# SPDX-License-Identifier: Apache-2.0
# SOURCE must not compile, and the compiler must say each `// expect: words` of the file. With
# LLEP_COMPILE_FAIL_CONTROL defined the same file must compile, so that it can't fail for
# another reason than the one it is about.
# usage: cmake -D COMPILER=... -D SOURCE=... [-D OPTIONS=...] -P check.cmake
cmake_minimum_required(VERSION 3.25)

cmake_path(SET root NORMALIZE "${CMAKE_CURRENT_LIST_DIR}/../..")
set(compile "${COMPILER}" -std=c++20 -fsyntax-only
  "-I${root}/include" "-I${root}/backends/emulated/include" "-I${root}/tests" ${OPTIONS})

set(ENV{LC_ALL} C) # the words are English

file(STRINGS "${SOURCE}" expected REGEX "^// expect: ")
if(NOT expected)
  message(FATAL_ERROR "${SOURCE}: needs a line `// expect: words the compiler must say`")
endif()

execute_process(COMMAND ${compile} -DLLEP_COMPILE_FAIL_CONTROL "${SOURCE}"
  RESULT_VARIABLE status ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: the control must compile:\n${output}")
endif()

execute_process(COMMAND ${compile} "${SOURCE}" RESULT_VARIABLE status ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: compiles, but must not")
endif()
foreach(line IN LISTS expected)
  string(REGEX REPLACE "^// expect: " "" words "${line}")
  string(FIND "${output}" "${words}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${SOURCE}: the compiler doesn't say \"${words}\":\n${output}")
  endif()
endforeach()
