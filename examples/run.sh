#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs one example in a folder of its own and looks at what it prints: run.sh NAME PROGRAM
set -eu
name=$1 program=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
umask 077

key() { # NAME: makes a key file and prints its address
    dd if=/dev/urandom of="$1" bs=32 count=1 2>/dev/null
    echo "file:$work/$1?namespace=example&name=$1"
}

expect() { # LINE: the example must have printed it
    grep -qxF -- "$1" output || {
        echo "$name did not print: $1"
        cat output
        exit 1
    }
}

case $name in
one_shot)
    root=$(key root)
    for run in first second; do
        "$program" "$work/keystore" "$root" >output || { echo "the $run run failed"; exit 1; }
        expect "decrypted: the tokens are inside"
    done
    ;;
stream)
    address=$(key stream)
    for len in 0 1 65536 1000000; do
        head -c "$len" /dev/urandom >plain
        "$program" encrypt "$address" plain sealed
        "$program" decrypt "$address" sealed opened
        cmp plain opened
        rm opened
        [ "$len" = 1000000 ] || rm sealed
    done
    head -c 500000 sealed >short
    if "$program" decrypt "$address" short opened; then
        echo "a message that was cut short was opened"
        exit 1
    fi
    [ ! -e opened ] || { echo "a part of a message was left"; exit 1; }
    ;;
records)
    "$program" "$(key records)" >output
    expect "row 1: salary 4001"
    expect "row 1 in the place of row 0: data failed authentication"
    ;;
two_recipients)
    "$program" "$(key operator)" "$(key safe)" >output
    [ "$(grep -cx 'opened with a key of file: for both of you' output)" = 2 ]
    ;;
own_provider)
    "$program" "$(key watched)" >output
    expect "a data key was asked for: ok"
    ;;
esac
cat output 2>/dev/null || true
