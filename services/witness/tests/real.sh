#!/bin/sh
# The witness against real etcd: members on loopback, one of them killed and started again, one paused, then
# everything judged. Slow and in need of `etcd`, so not among the tests.
#
#   services/witness/tests/real.sh [MEMBERS] [SECONDS]
#
# PORT (27580) and the ports after it, two for each member and one for the witness, must be free.
set -eu
members=${1:-3}
seconds=${2:-30}
port=${PORT:-27580}
node=${NODE:-target/debug/squall-node}
folder=$(mktemp -d)
pids=
stop() {
    for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$folder"
}
trap stop EXIT INT TERM

cluster= endpoints=
for n in $(seq 0 $((members - 1))); do
    cluster=$cluster${cluster:+,}e$n=http://127.0.0.1:$((port + 2 * n + 1))
    endpoints=$endpoints${endpoints:+,}http://127.0.0.1:$((port + 2 * n))
done
member() {
    client=http://127.0.0.1:$((port + 2 * $1)) peer=http://127.0.0.1:$((port + 2 * $1 + 1))
    etcd --name "e$1" --data-dir "$folder/e$1" --initial-cluster "$cluster" \
        --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" 2>>"$folder/e$1.log" &
    eval "pid$1=$!"
    pids="$pids $!"
}
for n in $(seq 0 $((members - 1))); do member "$n"; done

LISTEN=127.0.0.1:$((port + 2 * members)) ETCD_ENDPOINTS=$endpoints DURATION_S=$seconds RATE=${RATE:-100} \
    LEASE_TTL_S=${LEASE_TTL_S:-2} "$node" witness >"$folder/lines" &
witness=$!
pids="$pids $witness"
sleep $((seconds / 4))
eval "kill -9 \$pid0"
sleep $((seconds / 8))
member 0
sleep $((seconds / 8))
last=$((members - 1))
eval "kill -STOP \$pid$last"
sleep $((seconds / 8))
eval "kill -CONT \$pid$last"
while kill -0 "$witness" 2>/dev/null && ! grep -q '"op":"end"' "$folder/lines"; do sleep 1; done
cp "$folder/lines" "${LINES:-$folder/kept}"
kill "$witness"
wait "$witness"

SQUALL_WITNESS_LINES=$folder/lines cargo test -q -p squall-check --test witness -- --ignored --nocapture
