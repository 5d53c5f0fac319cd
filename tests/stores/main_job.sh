#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job with a key of a store in the place of local: (contract.py STORE main_job.sh BULLA): verify, encrypt a tree of
# real files, look, rotate, rewrap, see the bodies unchanged, decrypt, compare, and see a wrong context refused.
set -eu
bulla=$1
key=$BULLA_CONTRACT_KEY_0
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
HOME=$work BULLA_CONFIG=$BULLA_CONTRACT_CONFIG
export HOME BULLA_CONFIG
cd "$work"

fail() {
    echo "main job: $*" >&2
    exit 1
}

# The last bytes of a message: its body, wherever the header ends.
bodies() {
    for file in $(cd tree.enc && find . -name '*.bulla' | sort); do
        "$bulla" inspect --json "tree.enc/$file" >info.json
        header=$(jq '(.[0]? // .).header_length' info.json)
        tail -c "+$((header + 1))" "tree.enc/$file" | sha256sum
    done
}

[ -z "${BULLA_CONTRACT_CREATE:-}" ] || "$bulla" kms create "$key"
"$bulla" verify kms "$key"
"$bulla" kms show "$key"
mkdir tree
cp -r "$source_dir/src/envelope" "$source_dir/include" "$source_dir/README.md" tree
head -c 3000000 /dev/urandom >tree/binary
: >tree/empty
"$bulla" encrypt -q -r "$key" --context tenant=acme -R -o tree.enc tree
[ "$(find tree -type f | wc -l)" = "$(find tree.enc -name '*.bulla' | wc -l)" ] || fail "files are missing"
bodies >before
find tree.enc -name '*.bulla' -exec sha256sum {} + | sort >whole.before
"$bulla" kms rotate "$key"
"$bulla" rewrap -q -R --renew "$key" --with "$key" tree.enc
bodies >after
find tree.enc -name '*.bulla' -exec sha256sum {} + | sort >whole.after
cmp before after || fail "a body was changed"
! cmp -s whole.before whole.after || fail "no header was changed"
"$bulla" decrypt -q -r "$key" --context tenant=acme -R -o back tree.enc
diff -r tree back || fail "what came back is something else"
status=0
"$bulla" decrypt -q -r "$key" --context tenant=other -o stolen tree.enc/README.md.bulla || status=$?
if [ "$status" = 0 ] || [ -e stolen ]; then fail "a wrong context was accepted"; fi
echo "main job: $(wc -l <before) files through $key"
