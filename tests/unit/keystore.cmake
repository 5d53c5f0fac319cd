# SPDX-License-Identifier: Apache-2.0
foreach(part keys versions pending labels deks import backup check)
  bulla_test(test_keystore_${part} LABEL unit SOURCES test_keystore_${part}.c keystore_kit.c
    ROOMS base crypto envelope provider keystore engine LINKS fakes PkgConfig::SQLITE)
endforeach()
