#!/usr/bin/env bash
# Debug and release builds of `squall` give the same trace for every scenario: builds both, runs each
# scenario in each, and compares the hashes. Needs a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked
cargo build --locked --release

failed=0
compared=0
for file in scenarios/*/*.yaml; do
    grep -q '^scenario:' "$file" || continue
    hashes=()
    for build in debug release; do
        # A scenario may fail; its trace is the same all the same.
        record=$("target/$build/squall" run "$file" --format json || true)
        hashes+=("$(sed -n 's/.*"trace_hash": *"\([0-9a-f]*\)".*/\1/p' <<<"$record" | head -n 1)")
    done
    if [ -z "${hashes[0]}" ] || [ "${hashes[0]}" != "${hashes[1]}" ]; then
        echo "$file: debug '${hashes[0]}', release '${hashes[1]}'" >&2
        failed=$((failed + 1))
    fi
    compared=$((compared + 1))
done
echo "same trace in debug and release: $((compared - failed)) of $compared scenarios"
[ "$failed" -eq 0 ] && [ "$compared" -gt 0 ]
