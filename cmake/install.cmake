# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where: components runtime (the library), dev (headers, static library, pkg-config, CMake
# package) and command (bulla, its man pages and completion).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bulla)

install(TARGETS bulla_shared EXPORT bulla
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT dev)
install(TARGETS bulla_static EXPORT bulla ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
set_target_properties(bulla_shared PROPERTIES EXPORT_NAME shared)
set_target_properties(bulla_static PROPERTIES EXPORT_NAME static)
install(DIRECTORY include/bulla DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev FILES_MATCHING PATTERN "*.h")

install(EXPORT bulla NAMESPACE bulla:: FILE bulla-targets.cmake DESTINATION ${package_dir} COMPONENT dev)
configure_package_config_file(cmake/bulla-config.cmake.in ${PROJECT_BINARY_DIR}/bulla-config.cmake
  INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may break what the one before promised.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/bulla-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bulla-config.cmake ${PROJECT_BINARY_DIR}/bulla-config-version.cmake
  DESTINATION ${package_dir} COMPONENT dev)

# Paths in bulla.pc follow the prefix, so that an installed tree may be moved.
file(RELATIVE_PATH BULLA_PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(BULLA_PC_LIBS_PRIVATE "-pthread")
if(BULLA_HAS_IPSEC_MB)
  string(PREPEND BULLA_PC_LIBS_PRIVATE "-lIPSec_MB ")
endif()
configure_file(cmake/bulla.pc.in ${PROJECT_BINARY_DIR}/bulla.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/bulla.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)

install(TARGETS bulla_command RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT command)
install(FILES packaging/bulla.bash-completion RENAME bulla
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT command)
install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT command FILES_MATCHING PATTERN "*.1")
install(DIRECTORY docs/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man5 COMPONENT command FILES_MATCHING PATTERN "*.5")
# One page is of several verbs; it is found under the name of each.
foreach(verb decrypt inspect rewrap repair)
  file(WRITE ${PROJECT_BINARY_DIR}/man/bulla-${verb}.1 ".so man1/bulla-encrypt.1\n")
  install(FILES ${PROJECT_BINARY_DIR}/man/bulla-${verb}.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT command)
endforeach()
