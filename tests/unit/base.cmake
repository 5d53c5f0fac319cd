# SPDX-License-Identifier: Apache-2.0
foreach(module bytes call conf context nearest secret)
  bulla_test(test_base_${module} LABEL unit SOURCES test_base_${module}.c ROOMS base)
endforeach()
