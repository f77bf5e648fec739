# SPDX-License-Identifier: Apache-2.0
# find_package(NCCL <version>), as NCCL brings no CMake package: looks where CMake looks, NCCL_ROOT
# included, and beside the CUDA toolkit, if that was found before. Gives NCCL::nccl, NCCL_FOUND and
# NCCL_VERSION. NCCL_INCLUDE_DIR and NCCL_LIBRARY may be set.
set(nccl_roots "")
if(CUDAToolkit_FOUND)
  list(APPEND nccl_roots ${CUDAToolkit_TARGET_DIR} ${CUDAToolkit_LIBRARY_ROOT})
  foreach(folder IN LISTS CUDAToolkit_INCLUDE_DIRS)
    list(APPEND nccl_roots "${folder}/..")
  endforeach()
endif()
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${nccl_roots} PATH_SUFFIXES include)
# pip's has no libnccl.so; a place that is looked at first counts first, by either name.
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR
  HINTS ${nccl_roots} PATH_SUFFIXES lib lib64)
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)

unset(NCCL_VERSION)
if(NCCL_INCLUDE_DIR)
  file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" nccl_lines REGEX "^#define NCCL_(MAJOR|MINOR|PATCH) ")
  foreach(part MAJOR MINOR PATCH)
    if(nccl_lines MATCHES "#define NCCL_${part} +([0-9]+)")
      list(APPEND NCCL_VERSION ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN NCCL_VERSION "." NCCL_VERSION)
endif()
unset(nccl_lines)
unset(nccl_roots)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL
  REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)

if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl UNKNOWN IMPORTED)
  set_target_properties(NCCL::nccl PROPERTIES
    IMPORTED_LOCATION "${NCCL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${NCCL_INCLUDE_DIR}")
endif()
