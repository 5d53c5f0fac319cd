# SPDX-License-Identifier: Apache-2.0
# Third-party libraries, each with the one room that may include its headers (docs/adr/0002-dependencies.md).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.37)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(CURL REQUIRED libcurl>=7.88) # headers; loaded at the first use
pkg_check_modules(P11_KIT REQUIRED p11-kit-1>=0.23) # headers; modules are loaded by path
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2)

set(BULLA_HAS_IPSEC_MB OFF)
if(NOT BULLA_IPSEC_MB STREQUAL "OFF")
  find_path(IPSEC_MB_INCLUDE intel-ipsec-mb.h)
  find_library(IPSEC_MB_LIBRARY IPSec_MB)
  if(IPSEC_MB_INCLUDE AND IPSEC_MB_LIBRARY)
    set(BULLA_HAS_IPSEC_MB ON)
  elseif(BULLA_IPSEC_MB STREQUAL "ON")
    message(FATAL_ERROR "libipsec-mb is wanted but not installed: apt-get install libipsec-mb-dev")
  endif()
endif()
message(STATUS "AEAD engine libipsec-mb: ${BULLA_HAS_IPSEC_MB}")
