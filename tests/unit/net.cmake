# SPDX-License-Identifier: Apache-2.0
foreach(module url head missing)
  bulla_test(test_net_${module} LABEL unit SOURCES test_net_${module}.c ROOMS base net)
endforeach()
foreach(module http faults tls pool resolver)
  bulla_test(test_net_${module} LABEL unit SOURCES test_net_${module}.c net_kit.c
    ${PROJECT_SOURCE_DIR}/tests/fakes/fake_env.c ROOMS base net LINKS fake_http)
endforeach()
