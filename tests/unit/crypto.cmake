# SPDX-License-Identifier: Apache-2.0
foreach(module aead aead_threads kdf keywrap rsa rsa_der rsa_sign sign)
  bulla_test(test_crypto_${module} LABEL unit SOURCES test_crypto_${module}.c ROOMS base crypto)
endforeach()
bulla_test(test_crypto_ossl LABEL unit SOURCES test_crypto_ossl.c ROOMS base crypto LINKS PkgConfig::OPENSSL)
bulla_test(test_crypto_rand LABEL unit SOURCES test_crypto_rand.c ROOMS base crypto LINKS PkgConfig::OPENSSL)
