# SPDX-License-Identifier: Apache-2.0
foreach(module address registry seam rawkeys rsa cache cache_threads keyhash waiting failover hedge crew)
  bulla_test(test_provider_${module} LABEL unit
    SOURCES test_provider_${module}.c ROOMS base crypto provider LINKS fakes)
endforeach()

foreach(module retry breaker cache_outage cache_reuse cache_flights cache_doubt cache_recovery)
  bulla_test(test_provider_${module} LABEL unit
    SOURCES test_provider_${module}.c store_kit.c ROOMS base crypto provider LINKS fakes)
endforeach()

bulla_test(test_provider_innerwrap LABEL unit
  SOURCES test_provider_innerwrap.c ROOMS base crypto provider LINKS PkgConfig::JANSSON)
if(TARGET test_provider_innerwrap)
  target_compile_definitions(test_provider_innerwrap PRIVATE BULLA_SPEC_VECTORS="${PROJECT_SOURCE_DIR}/spec/vectors")
endif()

foreach(module vault vault_faults vault_login vault_proof)
  bulla_test(test_provider_${module} LABEL unit SOURCES test_provider_${module}.c vault_kit.c
    ROOMS base crypto net wire provider LINKS fakes fake_http)
endforeach()

bulla_test(test_provider_vault_batch LABEL unit SOURCES test_provider_vault_batch.c vault_crowd.c vault_kit.c
  ROOMS base crypto net wire provider LINKS fakes fake_http)

foreach(module aws aws_datakey aws_login aws_renewal aws_outage aws_replica aws_fork)
  bulla_test(test_provider_${module} LABEL unit SOURCES test_provider_${module}.c aws_kit.c
    ROOMS base crypto net wire provider LINKS fake_http)
endforeach()

bulla_test(test_provider_pkcs11_uri LABEL unit SOURCES test_provider_pkcs11_uri.c ROOMS base provider)
foreach(module pkcs11 pkcs11_make pkcs11_login pkcs11_sessions)
  bulla_test(test_provider_${module} LABEL unit SOURCES test_provider_${module}.c pkcs11_kit.c
    ROOMS base crypto provider LINKS fakes)
  if(TARGET test_provider_${module})
    add_dependencies(test_provider_${module} fake_hsm)
    target_compile_definitions(test_provider_${module} PRIVATE FAKE_HSM="$<TARGET_FILE:fake_hsm>")
    target_include_directories(test_provider_${module} SYSTEM PRIVATE ${P11_KIT_INCLUDE_DIRS})
  endif()
endforeach()
