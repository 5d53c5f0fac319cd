# SPDX-License-Identifier: Apache-2.0
foreach(module address registry seam rawkeys rsa cache cache_threads keyhash waiting)
  bulla_test(test_provider_${module} LABEL unit
    SOURCES test_provider_${module}.c ROOMS base crypto provider LINKS fakes)
endforeach()
