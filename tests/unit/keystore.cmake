# SPDX-License-Identifier: Apache-2.0
foreach(part keys versions pending labels deks import backup check wraps formats)
  bulla_test(test_keystore_${part} LABEL unit SOURCES test_keystore_${part}.c keystore_kit.c
    ROOMS base crypto envelope provider keystore engine LINKS fakes PkgConfig::SQLITE)
endforeach()
bulla_test(test_keystore_vectors LABEL unit SOURCES test_keystore_vectors.c vector_kit.c
  ROOMS base crypto envelope provider keystore LINKS PkgConfig::JANSSON PkgConfig::SQLITE)
if(TARGET test_keystore_vectors) # not in a build with ThreadSanitizer
  target_compile_definitions(test_keystore_vectors PRIVATE BULLA_SPEC_VECTORS="${PROJECT_SOURCE_DIR}/spec/vectors")
endif()
set(contract ${PROJECT_SOURCE_DIR}/tests/contract)
bulla_test(test_keystore_contract LABEL contract
  SOURCES test_keystore_contract.c ${contract}/provider_contract.c ${contract}/checks_roundtrip.c
    ${contract}/checks_damage.c ${contract}/checks_conduct.c
  ROOMS base crypto provider envelope keystore engine LINKS fakes)
