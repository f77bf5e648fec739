# SPDX-License-Identifier: Apache-2.0
# Writes forward.hpp and backward.hpp into OUTPUT_DIR: what our headers below ROOTS include of
# others' (whose headers can't stand the macros), the hostile macros, and then every header of
# ours, twice, in one order and in the other.
# usage: cmake -D "ROOTS=<include folder>;..." -D OUTPUT_DIR=<folder> -P generate.cmake
cmake_minimum_required(VERSION 3.25)

set(ours "")
set(others "")
foreach(root IN LISTS ROOTS)
  file(GLOB_RECURSE headers RELATIVE "${root}" "${root}/*.hpp")
  if(NOT headers)
    message(FATAL_ERROR "${root}: no header found")
  endif()
  foreach(header IN LISTS headers)
    string(APPEND ours "#include <${header}>\n;")
    file(STRINGS "${root}/${header}" lines REGEX "^#include <")
    list(FILTER lines EXCLUDE REGEX "<llep/")
    list(APPEND others ${lines})
  endforeach()
endforeach()
list(SORT others)
list(REMOVE_DUPLICATES others)
list(JOIN others "\n" others)

foreach(order forward backward)
  list(JOIN ours "" once)
  file(CONFIGURE OUTPUT "${OUTPUT_DIR}/${order}.hpp" @ONLY CONTENT
"#pragma once
@others@
#include \"hostile.hpp\"
@once@
// again
@once@")
  list(REVERSE ours)
endforeach()
