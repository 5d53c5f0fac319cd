# SPDX-License-Identifier: Apache-2.0
bulla_test(test_engine_config LABEL unit SOURCES test_engine_config.c ROOMS base engine)
bulla_test(test_engine_kms_config LABEL unit SOURCES test_engine_kms_config.c ROOMS base provider engine)
bulla_test(test_engine_house LABEL unit SOURCES test_engine_house.c keystore_kit.c
  ROOMS base crypto envelope provider keystore engine LINKS fakes PkgConfig::SQLITE)
bulla_test(test_engine_metrics LABEL unit SOURCES test_engine_metrics.c ROOMS base engine)
bulla_test(test_engine_stack LABEL unit SOURCES test_engine_stack.c ROOMS base engine LINKS fake_http)
