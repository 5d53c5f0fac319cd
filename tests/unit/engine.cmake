# SPDX-License-Identifier: Apache-2.0
bulla_test(test_engine_config LABEL unit SOURCES test_engine_config.c ROOMS base engine)
