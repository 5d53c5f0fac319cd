# SPDX-License-Identifier: Apache-2.0
# One interface target carries the warnings and the hardening of every room, program and test.
include(CheckPIESupported)
check_pie_supported()

add_library(bulla_flags INTERFACE)
target_compile_definitions(bulla_flags INTERFACE _GNU_SOURCE)
target_compile_options(bulla_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wcast-qual
  -Wcast-align -Wformat=2 -Wimplicit-fallthrough -Wundef -Wnull-dereference -Wswitch-enum -Wwrite-strings
  -Wenum-conversion -fno-common -fstack-protector-strong -fstack-clash-protection)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(bulla_flags INTERFACE -fcf-protection=full)
endif()
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(bulla_flags INTERFACE
    -Wlogical-op -Wduplicated-cond -Wduplicated-branches -ftrivial-auto-var-init=zero)
else()
  # The GNU statement expression in BULLA_TAKE is marked __extension__; clang warns of it all the same.
  target_compile_options(bulla_flags INTERFACE
    -Wassign-enum -Wcomma -Wextra-semi-stmt -Wthread-safety -Wno-gnu-statement-expression -Wno-gnu-auto-type)
endif()
if(BULLA_WERROR)
  target_compile_options(bulla_flags INTERFACE -Werror)
endif()
if(BULLA_SANITIZE)
  target_compile_options(bulla_flags INTERFACE -fsanitize=${BULLA_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(bulla_flags INTERFACE -fsanitize=${BULLA_SANITIZE})
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(bulla_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(BULLA_BUILD_FUZZERS)
  # The rooms tell the fuzzer where an input leads; without it libFuzzer guesses blindly.
  target_compile_options(bulla_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(bulla_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_link_options(bulla_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack)
