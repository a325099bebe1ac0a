#!/usr/bin/env bash
# Debug and release builds of `squall` give the same trace for every scenario, and so do two processes:
# builds both, runs each scenario in each, compares the hashes, and runs it with `--twice`. Needs a Rust
# toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked
cargo build --locked --release

failed=0
compared=0
for file in scenarios/*/*.yaml scenarios/tutorials/*/*.yaml; do
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
    # 255: the two differ; a verdict of 1 or 2 is the scenario's.
    status=0
    "target/release/squall" run "$file" --twice >/dev/null 2>&1 || status=$?
    if [ "$status" -gt 2 ]; then
        echo "$file: --twice ended with status $status" >&2
        failed=$((failed + 1))
    fi
    compared=$((compared + 1))
done
echo "same trace in debug, in release and twice: $((compared - failed)) of $compared scenarios"
[ "$failed" -eq 0 ] && [ "$compared" -gt 0 ]
