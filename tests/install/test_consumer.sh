#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does another project find, build against and run an installed Bulla, by pkg-config and by CMake, shared and static,
# also after the tree was moved? test_consumer.sh BUILD_DIR CONSUMER_DIR CMAKE CC LIBDIR
set -eu
build=$1 consumer=$2 cmake=$3 cc=$4 libdir=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077

"$cmake" --install "$build" --prefix "$work/first" >"$work/log"
mv "$work/first" "$work/prefix"
prefix=$work/prefix
dd if=/dev/urandom of="$work/key" bs=32 count=1 2>/dev/null
address="file:$work/key?namespace=test&name=key"

run() { # WHAT PROGRAM
    printf '%s: ' "$1"
    LD_LIBRARY_PATH=$prefix/$libdir "$2" "$address"
}

export PKG_CONFIG_PATH="$prefix/$libdir/pkgconfig"
# shellcheck disable=SC2046
"$cc" -std=c99 -pedantic-errors -Wall -Wextra -Werror $(pkg-config --cflags bulla) "$consumer/consumer.c" \
    -o "$work/by_pkg_config" $(pkg-config --libs bulla)
run "pkg-config, shared" "$work/by_pkg_config"

# shellcheck disable=SC2046
"$cc" -std=c99 $(pkg-config --cflags bulla) "$consumer/consumer.c" -o "$work/by_pkg_config_static" \
    "$prefix/$libdir/libbulla.a" $(pkg-config --static --libs bulla | sed 's/-lbulla//')
run "pkg-config, static" "$work/by_pkg_config_static"

"$cmake" -G Ninja -S "$consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$cc" >>"$work/log"
"$cmake" --build "$work/build" >>"$work/log"
run "CMake, shared" "$work/build/consumer_shared"
run "CMake, static" "$work/build/consumer_static"

version=$("$prefix/bin/bulla" version)
echo "command: $version"
for file in include/bulla/bulla.h share/man/man1/bulla.1 share/man/man1/bulla-decrypt.1 share/bash-completion/completions/bulla; do
    [ -s "$prefix/$file" ] || {
        echo "not installed: $file"
        exit 1
    }
done
