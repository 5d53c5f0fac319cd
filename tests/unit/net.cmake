# SPDX-License-Identifier: Apache-2.0
foreach(module url head missing)
  bulla_test(test_net_${module} LABEL unit SOURCES test_net_${module}.c ROOMS base net)
endforeach()
foreach(module http faults tls pool resolver)
  bulla_test(test_net_${module} LABEL unit SOURCES test_net_${module}.c net_kit.c
    ${PROJECT_SOURCE_DIR}/tests/fakes/fake_env.c ROOMS base net LINKS fake_http)
endforeach()

find_program(BULLA_NGHTTPD nghttpd HINTS /usr/sbin)
if(NOT BULLA_SANITIZE MATCHES "thread")
  bulla_test(test_net_http2 LABEL unit SOURCES test_net_http2.c net_kit.c ${PROJECT_SOURCE_DIR}/tests/fakes/fake_env.c
    ROOMS base net LINKS fake_http)
  target_compile_definitions(test_net_http2 PRIVATE NGHTTPD="${BULLA_NGHTTPD}")
  set_tests_properties(unit.test_net_http2 PROPERTIES SKIP_RETURN_CODE 77)
endif()
