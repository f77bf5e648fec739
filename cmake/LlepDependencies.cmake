# SPDX-License-Identifier: Apache-2.0
# What tests, tool and benchmarks need beyond the standard library; the core itself needs none of
# it.
include_guard(GLOBAL)
include(FetchContent)

option(LLEP_FETCH_DEPENDENCIES "Fetch what tests, tool and benchmarks need and isn't installed" ON)
set(LLEP_DEPENDENCY_DIR "${PROJECT_BINARY_DIR}/_fetched" CACHE PATH
  "Where fetched packages and archives are kept; build trees may share it")
find_program(LLEP_APT_GET apt-get)
mark_as_advanced(LLEP_DEPENDENCY_DIR LLEP_APT_GET)

# Least version; package of Debian 12 that has it; release archive, for any other machine.
set(llep_Catch2_version 3)
set(llep_Catch2_debian bookworm-backports:libcatch2-dev)
set(llep_Catch2_url https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz)
set(llep_Catch2_sha256 c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)

set(llep_CLI11_version 2.1)
set(llep_CLI11_debian bookworm:libcli11-dev)
set(llep_CLI11_url https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz)
set(llep_CLI11_sha256 f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)

set(llep_nlohmann_json_version 3.11)
set(llep_nlohmann_json_debian bookworm:nlohmann-json3-dev)
set(llep_nlohmann_json_url https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz)
set(llep_nlohmann_json_sha256 d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)

set(llep_Eigen3_version 3.4)
set(llep_Eigen3_debian bookworm:libeigen3-dev)
set(llep_Eigen3_url https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.bz2)
set(llep_Eigen3_sha256 b4c198460eba6f28d34894e3a5710998818515104d6e74e5cc331ce31e46e626)
# Its own CMakeLists.txt would add its tests, and a Fortran compiler's; the headers will do.
set(llep_Eigen3_headers_target Eigen3::Eigen)

set(llep_benchmark_version 1.7)
set(llep_benchmark_debian bookworm:libbenchmark-dev_libbenchmark1debian)
set(llep_benchmark_url https://github.com/google/benchmark/archive/refs/tags/v1.8.3.tar.gz)
set(llep_benchmark_sha256 6bc180a57d23d4d9515519f92b0c83d61b05b5bab188961f36ac7b06b0d9e9ce)
set(llep_benchmark_off BENCHMARK_ENABLE_TESTING BENCHMARK_ENABLE_INSTALL) # of its own options

# llep_dependencies(<name>...): each from the first of three places that has it: installed;
# Debian's archive, unpacked without root; the project's release archive.
function(llep_dependencies)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON) # as llep_backend, which may find a package again
  set(missing "")
  set(packages "")
  foreach(name IN LISTS ARGN)
    find_package(${name} ${llep_${name}_version} QUIET)
    if(NOT ${name}_FOUND)
      list(APPEND missing ${name})
      list(APPEND packages ${llep_${name}_debian})
    endif()
  endforeach()
  if(missing)
    llep_unpack_debian(${packages})
  endif()
  foreach(name IN LISTS missing)
    string(REPLACE ":" "/" package "${LLEP_DEPENDENCY_DIR}/${llep_${name}_debian}")
    find_package(${name} ${llep_${name}_version} QUIET NO_DEFAULT_PATH PATHS "${package}/usr")
    if(${name}_FOUND)
      message(STATUS "llep: ${name} ${${name}_VERSION}: unpacked from Debian's archive")
    else()
      llep_fetch_release(${name})
    endif()
  endforeach()
  set(CMAKE_MODULE_PATH "${CMAKE_MODULE_PATH}" PARENT_SCOPE) # Catch2's: include(Catch)
endfunction()

function(llep_unpack_debian)
  llep_unpack(deps-debian.sh ${ARGN})
endfunction()

# For a backend: Kokkos is found afterwards, or its own message says that it isn't. Its release
# isn't built here: that takes long, and its options are the user's.
function(llep_unpack_kokkos)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON) # as llep_backend, which finds it again
  find_package(Kokkos 5.2 QUIET)
  if(NOT Kokkos_FOUND)
    llep_unpack(kokkos-debian.sh)
    find_package(Kokkos 5.2 QUIET NO_DEFAULT_PATH PATHS "${LLEP_DEPENDENCY_DIR}/kokkos")
  endif()
endfunction()

# Runs a script of this folder for LLEP_DEPENDENCY_DIR, where it may and can do something.
function(llep_unpack script)
  cmake_host_system_information(RESULT codename QUERY DISTRIB_VERSION_CODENAME)
  if(NOT (LLEP_FETCH_DEPENDENCIES AND LLEP_APT_GET AND codename STREQUAL bookworm))
    return()
  endif()
  execute_process(
    COMMAND "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/${script}" "${LLEP_DEPENDENCY_DIR}" ${ARGN}
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(STRIP "${output}" output)
    list(JOIN ARGN " " packages)
    message(STATUS "llep: Debian's archive didn't give all of ${script} ${packages}: ${output}")
  endif()
endfunction()

function(llep_fetch_release name)
  string(REGEX REPLACE "^(.*):(.*)$" "\\2 of \\1" package "${llep_${name}_debian}")
  string(REPLACE "_" " " package "${package}")
  # A message that starts with a space stays on one line.
  set(problem " llep: ${name} ${llep_${name}_version} isn't installed")
  set(advice "Install it (Debian 12: ${package}), or name its place in CMAKE_PREFIX_PATH")
  if(NOT LLEP_FETCH_DEPENDENCIES)
    message(FATAL_ERROR "${problem}, and LLEP_FETCH_DEPENDENCIES is off. ${advice}.")
  endif()
  set(url "${llep_${name}_url}")
  cmake_path(GET url FILENAME file)
  set(archive "${LLEP_DEPENDENCY_DIR}/${name}-${file}")
  if(NOT EXISTS "${archive}")
    message(STATUS "llep: ${name}: downloading ${url}")
    string(RANDOM suffix) # two build trees may download at the same time
    set(part "${archive}.${suffix}")
    file(DOWNLOAD "${url}" "${part}" STATUS status TLS_VERIFY ON)
    list(POP_FRONT status code reason)
    file(SHA256 "${part}" sha256)
    if(code EQUAL 0 AND NOT sha256 STREQUAL llep_${name}_sha256)
      set(code 1)
      set(reason "its SHA-256 is ${sha256}")
    endif()
    if(NOT code EQUAL 0)
      file(REMOVE "${part}")
      message(FATAL_ERROR "${problem}, and ${url} can't be had: ${reason}. ${advice}.")
    endif()
    file(RENAME "${part}" "${archive}")
  endif()
  set(how "")
  if(llep_${name}_headers_target)
    set(how SOURCE_SUBDIR headers-only OVERRIDE_FIND_PACKAGE) # no such folder: nothing is added
  endif()
  foreach(option IN LISTS llep_${name}_off)
    set(${option} OFF) # here alone: nothing gets into a parent project's cache
  endforeach()
  FetchContent_Declare(${name} SYSTEM
    URL "${archive}" URL_HASH SHA256=${llep_${name}_sha256} ${how})
  FetchContent_MakeAvailable(${name})
  FetchContent_GetProperties(${name} SOURCE_DIR source)
  if(llep_${name}_headers_target)
    add_library(${llep_${name}_headers_target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${llep_${name}_headers_target} INTERFACE "${source}")
  endif()
  set(CMAKE_MODULE_PATH "${CMAKE_MODULE_PATH};${source}/extras" PARENT_SCOPE)
endfunction()
