# SPDX-License-Identifier: Apache-2.0
foreach(module awsini awskms awssts gcpkms oauth sigv4 transit vault)
  bulla_test(test_wire_${module} LABEL unit SOURCES test_wire_${module}.c ROOMS base crypto wire)
endforeach()
bulla_test(test_wire_azurekv LABEL unit SOURCES test_wire_azurekv.c ROOMS base wire LINKS PkgConfig::JANSSON)
