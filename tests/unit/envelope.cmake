# SPDX-License-Identifier: Apache-2.0
bulla_test(test_envelope_record LABEL unit SOURCES test_envelope_record.c ROOMS base crypto envelope)
bulla_test(test_envelope_datakey LABEL unit
  SOURCES test_envelope_datakey.c ../fakes/keyed_provider.c ROOMS base crypto envelope provider)
bulla_test(test_envelope_record_vectors LABEL unit
  SOURCES test_envelope_record_vectors.c vector_kit.c ../fakes/keyed_provider.c ROOMS base crypto envelope provider LINKS PkgConfig::JANSSON)
if(TARGET test_envelope_record_vectors) # not in a build with ThreadSanitizer
  target_compile_definitions(test_envelope_record_vectors PRIVATE BULLA_SPEC_VECTORS="${PROJECT_SOURCE_DIR}/spec/vectors")
endif()

# Messages
set(message_kit message_kit.c old_message.c ../fakes/keyed_provider.c)
foreach(part message stream copy legacy recipients header rewrap reuse wrong_key)
  bulla_test(test_envelope_${part} LABEL unit
    SOURCES test_envelope_${part}.c ${message_kit} ROOMS base crypto envelope provider)
endforeach()
bulla_test(test_envelope_owed LABEL unit SOURCES test_envelope_owed.c ROOMS base crypto envelope provider LINKS fakes)
