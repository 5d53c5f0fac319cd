# SPDX-License-Identifier: Apache-2.0
# The public headers and the symbols of the two libraries.
find_program(PYTHON3 python3 REQUIRED)
find_program(CXX_COMPILER NAMES g++ clang++ c++)

add_test(NAME unit.test_headers
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/test_headers.sh ${PROJECT_SOURCE_DIR}/include ${CMAKE_C_COMPILER} ${CXX_COMPILER})
add_test(NAME unit.test_symbols
  COMMAND ${PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/test_symbols.py ${PROJECT_SOURCE_DIR}/include/bulla
    ${PROJECT_SOURCE_DIR}/src/bulla.map ${PROJECT_SOURCE_DIR}/packaging/debian/libbulla0.symbols
    $<TARGET_FILE:bulla_shared> $<TARGET_FILE:bulla_static>)
set_tests_properties(unit.test_headers unit.test_symbols PROPERTIES LABELS unit TIMEOUT 120)

# Not with sanitizers, which clang puts into programs and not into libraries.
if(NOT BULLA_SANITIZE)
  bulla_test(test_unload LABEL unit SOURCES test_unload.c LINKS ${CMAKE_DL_LIBS})
  target_compile_definitions(test_unload PRIVATE BULLA_LIBRARY="$<TARGET_FILE:bulla_shared>")
  add_dependencies(test_unload bulla_shared)
endif()
