# SPDX-License-Identifier: Apache-2.0
include_guard(GLOBAL)

# Every header under `root` becomes installable and is compiled on its own by the
# target all_verify_interface_header_sets. A glob, so that no header can be left out.
function(llep_header_set target root)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS "${root}/*.hpp")
  target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS "${root}" FILES ${headers})
  set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
endfunction()

# llep_backend(<name> [PACKAGES <"find_package arguments">...] [LINK <target>...])
#
# Defines llep::<name> and sets llep_<name>_FOUND, or leaves a reason in
# llep_<name>_NOT_FOUND_MESSAGE. The same call serves this source tree and, from an
# installed llepConfig.cmake, a consumer: headers need no build-time probe, so what
# the installing machine had doesn't matter.
function(llep_backend name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "PACKAGES;LINK")
  set(tree "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../backends/${name}/include")
  cmake_path(NORMAL_PATH tree)
  if(NOT llep_INSTALLED_INCLUDE_DIR)
    # A parent project links llep::<name> from its own folder, where a target found here is
    # visible only if it is global.
    set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  endif()
  foreach(package IN LISTS arg_PACKAGES)
    separate_arguments(words UNIX_COMMAND "${package}")
    find_package(${words} QUIET)
    list(POP_FRONT words package_name)
    if(NOT ${package_name}_FOUND)
      set(reason "llep::${name} needs ${package}, which isn't found")
      if(${package_name}_CONSIDERED_VERSIONS)
        list(JOIN ${package_name}_CONSIDERED_VERSIONS ", " versions)
        string(APPEND reason " (there is ${versions})")
      endif()
      string(APPEND reason ": install it, or name its place in CMAKE_PREFIX_PATH")
      set(llep_${name}_FOUND FALSE PARENT_SCOPE)
      set(llep_${name}_NOT_FOUND_MESSAGE "${reason}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
  if(TARGET llep::${name})
    # found before
  elseif(llep_INSTALLED_INCLUDE_DIR)
    # Imported, so that a project which installs a library on top of us can export it.
    add_library(llep::${name} INTERFACE IMPORTED)
    target_include_directories(llep::${name} INTERFACE "${llep_INSTALLED_INCLUDE_DIR}")
    target_link_libraries(llep::${name} INTERFACE llep::llep ${arg_LINK})
  else()
    add_library(llep_${name} INTERFACE)
    add_library(llep::${name} ALIAS llep_${name})
    target_link_libraries(llep_${name} INTERFACE llep::llep ${arg_LINK})
    llep_header_set(llep_${name} "${tree}")
  endif()
  set(llep_${name}_FOUND TRUE PARENT_SCOPE)
endfunction()
