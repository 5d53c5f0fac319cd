#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does each public header compile alone, as strict C99 and as C++11, without a warning?
# test_headers.sh INCLUDE_DIR C_COMPILER CXX_COMPILER
set -eu
include=$1 cc=$2 cxx=$3
warnings='-Wall -Wextra -Wpedantic -pedantic-errors -Wconversion -Wshadow -Wundef -Werror'
failed=0

compile() { # NAME COMPILER LANGUAGE STANDARD
    # shellcheck disable=SC2086
    printf '#include "bulla/%s"\n#include "bulla/%s"\nextern int nothing;\n' "$1" "$1" |
        "$2" -x "$3" "-std=$4" $warnings -I "$include" -fsyntax-only - || {
        echo "bulla/$1 does not compile alone as $4"
        failed=1
    }
}

num=0
for header in "$include"/bulla/*.h; do
    name=${header##*/}
    compile "$name" "$cc" c c99
    compile "$name" "$cxx" c++ c++11
    num=$((num + 1))
done
echo "$num headers"
[ "$num" -gt 10 ] && exit "$failed"
