# SPDX-License-Identifier: Apache-2.0
# kill -9 at random points of create, rotate, rewrap and restore; by hand a thousand times: kill_store 1000.
add_executable(kill_store kill.c)
target_link_libraries(kill_store PRIVATE bulla_flags bulla::static)
add_test(NAME fault.kill COMMAND kill_store 100)
set_tests_properties(fault.kill PROPERTIES LABELS fault TIMEOUT 900)
