# SPDX-License-Identifier: Apache-2.0
# Verbs, beyond what a transcript shows.
foreach(test completion datakey encrypt_decrypt inspect kms rewrap terminal)
  add_test(NAME cli.test_${test} COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/test_${test}.py)
  set_tests_properties(cli.test_${test} PROPERTIES LABELS cli TIMEOUT 600
    ENVIRONMENT BULLA=$<TARGET_FILE:bulla_command>)
endforeach()
