# SPDX-License-Identifier: Apache-2.0
# bulla_test(NAME LABEL l SOURCES … ROOMS … [LINKS …]): a cmocka program that sees the inside of the rooms it names.
function(bulla_test name)
  cmake_parse_arguments(TEST "" "LABEL" "SOURCES;ROOMS;LINKS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/tests)
  foreach(room IN LISTS TEST_ROOMS)
    target_include_directories(${name} PRIVATE ${PROJECT_BINARY_DIR}/rooms/${room})
    target_link_libraries(${name} PRIVATE room_${room})
  endforeach()
  target_link_libraries(${name} PRIVATE bulla_flags PkgConfig::CMOCKA ${TEST_LINKS})
  add_test(NAME ${TEST_LABEL}.${name} COMMAND ${name})
  set_tests_properties(${TEST_LABEL}.${name} PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 600)
endfunction()
