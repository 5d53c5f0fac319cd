#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: esdk.sh python|javascript|kms DRIVER SDKS     (kms: its AWS KMS keyring, and DRIVER is bulla itself)
# Runs one SDK against Bulla, or skips with one line when it is not there.
set -eu
language=$1 driver=$2 sdks=${BULLA_INTEROP_DIR:-$3}
here=$(dirname "$0")

skip() {
    echo "skipped: $1; run tools/interop-setup $sdks"
    [ "${BULLA_REQUIRE:-}" = 1 ] && exit 1
    exit 77
}

case $language in
python)
    [ -e "$sdks/python/requirements.txt" ] || skip "the AWS Encryption SDK for Python is not there"
    exec "$sdks/python/bin/python" "$here/esdk.py" "$driver"
    ;;
kms)
    [ -e "$sdks/python/requirements.txt" ] || skip "the AWS Encryption SDK for Python is not there"
    exec python3 "$here/../servers/run.py" moto -- "$sdks/python/bin/python" "$here/esdk_kms.py" "$driver"
    ;;
javascript)
    [ -e "$sdks/javascript/complete" ] ||
        skip "the AWS Encryption SDK for JavaScript is not there"
    exec node "$here/esdk.js" "$driver" "$sdks/javascript"
    ;;
*)
    echo "esdk.sh: unknown language $language" >&2
    exit 2
    ;;
esac
