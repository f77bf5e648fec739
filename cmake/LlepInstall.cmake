# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` copies: headers, the package that finds them, and the licence. All
# backends' headers go along, whatever LLEP_BACKENDS says: a consumer looks for what they need.
include_guard(GLOBAL)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(llep_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/llep")

install(TARGETS llep EXPORT llepTargets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT llep)
install(EXPORT llepTargets NAMESPACE llep::
  DESTINATION "${llep_package_dir}" COMPONENT llep)

set(llep_backend_names "")
file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/backends/*/backend.cmake")
foreach(file IN LISTS files)
  cmake_path(GET file PARENT_PATH folder)
  cmake_path(GET folder FILENAME backend)
  list(APPEND llep_backend_names ${backend})
  install(DIRECTORY "${folder}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT llep
    FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
  install(FILES "${file}" DESTINATION "${llep_package_dir}/backends/${backend}" COMPONENT llep)
endforeach()
list(JOIN llep_backend_names ", " llep_backend_names)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/llepConfig.cmake.in" llepConfig.cmake
  INSTALL_DESTINATION "${llep_package_dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(llepConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${CMAKE_CURRENT_LIST_DIR}/LlepBackend.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/FindNCCL.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/llepConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/llepConfigVersion.cmake"
  DESTINATION "${llep_package_dir}" COMPONENT llep)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/llep" COMPONENT llep)
