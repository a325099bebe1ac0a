#!/usr/bin/env bash
# kill -9 of the real store under load, again and again: no acknowledged transfer may be lost.
#
#   scenarios/splitdim/real/kill-store.sh [ROUNDS=20]      about seven seconds a round
#
# In each round the load of services/node/examples/transfers.rs goes to two `squall-node splitdim` in mode
# transactionalkvstore, 32 connections on random pairs of 100 users; in the middle their `squall-node kvstore`
# is killed, and started again after a moment with the same data. Then every account must be what the
# acknowledged transfers make it; one without an answer may have happened once or not at all, and a
# refused one may not. Books are never reset: each round begins with what the rounds before left.
#
# That it can fail: KEEP=no forgets the log at the restart, as a store would that does not write it;
# MODE=kvstore is the seed's way, which loses transfers or makes them twice.
#
# Needs `cargo build --release -p squall-node --bin squall-node --example transfers`
#
# Settings
#   SECONDS_EACH  length of the load (6)
#   CONNECTIONS, USERS  (32, 100)
#   MODE          transactionalkvstore; see above
#   KEEP          yes; see above
#   WORK          a folder on the disk that is meant (target/real)
#   SQUALL_NODE, TRANSFERS  the programs
#
# Exit: 0 the books are right after every round, 1 they are not, 2 nothing was shown since something is
# missing. That a killed process loses nothing rests on the kernel, which keeps what was written; that
# a power loss loses nothing is for the simulator: scenarios/splitdim/store-power-loss.yaml.
set -uo pipefail

# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
rounds=${1:-${ROUNDS:-20}}
seconds_each=${SECONDS_EACH:-6}
mode=${MODE:-transactionalkvstore}

begin "${WORK:-$root/target/real}"
free_port; store=$port
free_port; first=$port
free_port; second=$port
start_store
start_splitdim splitdim1 "$first" "$mode"
start_splitdim splitdim2 "$second" "$mode"

right=0
for round in $(seq "$rounds"); do
    start load "$load" --to "127.0.0.1:$first,127.0.0.1:$second" --connections "${CONNECTIONS:-32}" \
        --users "${USERS:-100}" --for-s "$seconds_each" --settle-s 1
    # Somewhere in the middle third, and away for up to a second and a half.
    sleep $((seconds_each / 3)).$((RANDOM % 10))
    before=$(metric "$store" kvstore_sequence)
    kill_hard kvstore
    [ "${KEEP:-yes}" = yes ] || rm -rf "$work/data"
    away_s=$((RANDOM % 2)).$((RANDOM % 6))
    sleep "$away_s"
    start_store
    wait "${running[load]}"
    status=$?
    unset "running[load]"
    printf 'round %2d  killed after batch %s, away %s s: ' "$round" "${before:-?}" "$away_s"
    case $status in
        0) echo "right"; right=$((right + 1)) ;;
        *) echo "WRONG BOOKS, or no answer (exit status $status)" ;;
    esac
    sed 's/^/    /' "$work/load.log"
    : >"$work/load.log"
done
echo "$(grep -h 'cut off' "$work/kvstore.log" | wc -l) restarts found a batch torn off"
echo "the books are right after $right rounds in $rounds"
[ "$right" = "$rounds" ]
