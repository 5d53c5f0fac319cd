# SPDX-License-Identifier: Apache-2.0
foreach(module bytes call conf context json json_values metrics metrics_text metrics_threads nearest secret secret_faults)
  bulla_test(test_base_${module} LABEL unit SOURCES test_base_${module}.c ROOMS base)
endforeach()

# Under valgrind, which cannot be had together with sanitizers; -s, for it does not read clang's debug information.
find_program(BULLA_VALGRIND valgrind)
if(BULLA_VALGRIND AND NOT BULLA_SANITIZE)
  add_executable(test_base_consttime test_base_consttime.c)
  target_include_directories(test_base_consttime PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests
    ${PROJECT_BINARY_DIR}/rooms/base)
  target_link_libraries(test_base_consttime PRIVATE room_base bulla_flags PkgConfig::CMOCKA)
  target_link_options(test_base_consttime PRIVATE -s)
  add_test(NAME unit.test_base_consttime
    COMMAND ${BULLA_VALGRIND} --quiet $<TARGET_FILE:test_base_consttime>)
  set_tests_properties(unit.test_base_consttime PROPERTIES LABELS unit TIMEOUT 600)
endif()
