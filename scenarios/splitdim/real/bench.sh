#!/usr/bin/env bash
# How fast SplitDim is on real sockets and a real disk, and whether its books are right afterwards.
#
#   scenarios/splitdim/real/bench.sh            about two and a half minutes
#   RUNS=1 SECONDS_EACH=2 scenarios/splitdim/real/bench.sh
#
# One `squall-node kvstore`, whose log is synced before every answer; two `squall-node splitdim` in mode
# transactionalkvstore before it; and one in mode local. The load is services/node/examples/transfers.rs:
# POST /api/transfer of 1, at 3 and at 32 connections, on one pair of users and on random pairs of 1,000.
# The cases take turns, each from empty books. After each, every account must be what the answers
# make it.
#
# Needs `cargo build --release -p squall-node --bin squall-node --example transfers`
#
# Settings
#   RUNS          so often each case (3)
#   SECONDS_EACH  length of each (6, as the originals were measured)
#   WORK          a folder on the disk that is meant (target/real)
#   SQUALL_NODE, TRANSFERS  the programs
#
# Exit: 0 all books are right, 1 some are not, 2 nothing was shown since something is missing.
# The speeds are printed, never judged: they are the machine's. The originals' are from SYSTEMS.md 3.1,
# for their own store, whose log is not synced, and which loses money.
set -uo pipefail

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
runs=${RUNS:-3}
seconds_each=${SECONDS_EACH:-6}

# The originals' min / median / max.
declare -A original=(
    [store.2.3]='1216 1691 2075' [store.2.32]='1217 1223 1408'
    [store.1000.3]='1751 1820 1937' [store.1000.32]='3063 3339 3447'
    [local.2.3]='13892 16889 20160' [local.2.32]='27370 30020 31289'
    [local.1000.3]='24749 27122 29464' [local.1000.32]='46181 47140 47864'
)
cases=(2.3 2.32 1000.3 1000.32)

begin "${WORK:-$root/target/real}"
free_port; store=$port
free_port; first=$port
free_port; second=$port
free_port; alone=$port
start_store
start_splitdim splitdim1 "$first" transactionalkvstore
start_splitdim splitdim2 "$second" transactionalkvstore
start_splitdim local "$alone" local
echo "$(nproc) CPUs, load $(cut -d' ' -f1-3 /proc/loadavg), data on $(stat -f -c %T "$work")"

failures=0
declare -A rates=() counts=()

# counters: syncs, store calls and stale transactions, so far
counters() {
    echo "$(metric "$store" kvstore_syncs_total)" \
        $(($(metric "$first" splitdim_store_calls_total) + $(metric "$second" splitdim_store_calls_total))) \
        $(($(metric "$first" splitdim_stale_total) + $(metric "$second" splitdim_stale_total)))
}

# measure KIND CASE TO...
measure() {
    local kind=$1 case=$2 to=$3 out status before after
    reset "${to##*:}"
    before=$(counters)
    out=$("$load" --to "$to" --users "${case%.*}" --connections "${case#*.}" --for-s "$seconds_each" 2>&1)
    status=$?
    after=$(counters)
    printf '%-5s %s\n' "$kind" "$out"
    if [ $status -ne 0 ]; then
        echo "      WRONG BOOKS, or no answer (exit status $status)"
        failures=$((failures + 1))
    fi
    rates[$kind.$case]+=" $(awk '/acknowledged/ { sub("/s", "", $5); print $5; exit }' <<<"$out")"
    counts[$kind.$case]+="$(awk '/acknowledged/ { print $7; exit }' <<<"$out") $before $after"$'\n'
}

for _ in $(seq "$runs"); do
    for case in "${cases[@]}"; do
        measure store "$case" "127.0.0.1:$first,127.0.0.1:$second"
        measure local "$case" "127.0.0.1:$alone"
    done
done

# three NUMBER...: min, median, max
three() { printf '%s\n' "$@" | sort -n | awk '{ all[NR] = $1 } END { print all[1], all[int((NR + 1) / 2)], all[NR] }'; }

# row KIND CASE
# The lists of numbers are meant to fall apart into words.
# shellcheck disable=SC2086
row() {
    local ours theirs work_done=
    ours=($(three ${rates[$1.$2]})) theirs=(${original[$1.$2]})
    if [ "$1" = store ]; then
        work_done=$(awk 'NF == 7 { sum += $1; syncs += $5 - $2; calls += $6 - $3; stale += $7 - $4 }
            END { if (syncs && calls) printf "%.2f | %.0f %%", sum / syncs, 100 * stale / calls }' <<<"${counts[$1.$2]}")
    fi
    printf '| %s, c=%s | %s / %s / %s | %s / %s / %s | %s | %s |\n' \
        "$([ "${2%.*}" = 2 ] && echo one pair || echo random pairs)" "${2#*.}" "${ours[@]}" "${theirs[@]}" \
        "$(awk -v a="${ours[1]}" -v b="${theirs[1]}" 'BEGIN { printf "%.2f", a / b }')" "${work_done:-- | -}"
}

echo
echo "Transfers acknowledged in a second, min / median / max of $runs; load now $(cut -d' ' -f1-3 /proc/loadavg)"
for kind in store local; do
    echo
    echo "| mode $([ $kind = store ] && echo 'transactionalkvstore, two instances' || echo 'local, one instance') | ours | original | ratio of medians | transfers for each sync | transactions refused as stale |"
    echo "|---|---|---|---|---|---|"
    for case in "${cases[@]}"; do
        row "$kind" "$case"
    done
done
echo
if [ $failures -gt 0 ]; then
    echo "$failures of $((runs * 8)) measurements: WRONG BOOKS, or no answer"
    exit 1
fi
echo "all books are right, $((runs * 8)) times in $((runs * 8))"
