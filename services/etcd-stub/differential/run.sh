#!/bin/sh
# Runs commands.sh with Debian's real etcdctl against real etcd and against etcd-stub, MEMBERS members each
# (default 3) on loopback, and shows where the answers differ. Needs the packages etcd-server and etcd-client.
# Endpoints have no scheme: with one, `endpoint status`, `endpoint hashkv` and `defrag` of this etcdctl send it in
# `:authority`, where it must not be (RFC 9113, 8.3.1), and our HTTP/2 refuses it, etcd's does not.
# Builds squall-node unless SQUALL_NODE names one.
# Exit status: 0 when every difference is one that known.txt explains, 1 otherwise.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
members=${MEMBERS:-3}
# The first client port; each member takes two ports, a hundred apart. One after the other on the same ports,
# so that numbers which etcd makes of addresses have to be the same.
port=${PORT:-23179}
work=$(mktemp -d)
started=
stop() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    for pid in $started; do wait "$pid" 2>/dev/null || true; done
    started=
}
finish() {
    stop
    [ -n "${KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"
}
trap finish EXIT

node=${SQUALL_NODE:-}
if [ -z "$node" ]; then
    (cd "$root" && cargo build --quiet -p squall-node)
    node=${CARGO_TARGET_DIR:-$root/target}/debug/squall-node
fi

# ask SIDE COMMAND...: the answers of members m1.. with client ports $port, $port+100.. and peer ports one above.
ask() {
    side=$1
    shift
    cluster= endpoints=
    for i in $(seq "$members"); do
        at=$((port + 100 * (i - 1)))
        cluster="$cluster,m$i=http://127.0.0.1:$((at + 1))"
        endpoints="$endpoints,127.0.0.1:$at"
    done
    for i in $(seq "$members"); do
        at=$((port + 100 * (i - 1)))
        mkdir "$work/$side-$i"
        (cd "$work/$side-$i" && exec "$@" --name "m$i" --data-dir "$work/$side-$i/data" \
            --listen-client-urls "http://127.0.0.1:$at" --advertise-client-urls "http://127.0.0.1:$at" \
            --listen-peer-urls "http://127.0.0.1:$((at + 1))" \
            --initial-advertise-peer-urls "http://127.0.0.1:$((at + 1))" \
            --initial-cluster "${cluster#,}" --initial-cluster-token differential \
            --initial-cluster-state new >"$work/$side-$i/log" 2>&1) &
        started="$started $!"
    done
    tries=0
    until ETCDCTL_API=3 etcdctl --endpoints="${endpoints#,}" endpoint health >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { tail -n 20 "$work/$side"-*/log; exit 1; }
        sleep 0.25
    done
    ENDPOINTS=${endpoints#,} PEER=$((port + 901)) WORK="$work/$side-1" \
        sh "$here/commands.sh" >"$work/$side.raw" 2>&1
    stop
    sed -E -f "$here/mask.sed" "$work/$side.raw" >"$work/$side.txt"
}
ask real etcd
ask stub "$node" etcd-stub

diff -U2 "$work/real.txt" "$work/stub.txt" >"$work/diff.txt" && same=yes || same=no
cat "$work/diff.txt"
grep '^[-+]' "$work/diff.txt" | grep -v '^\(---\|+++\) ' >"$work/lines.txt" || true
grep -v -e '^#' -e '^$' "$here/known.txt" >"$work/known.txt" || true
grep -v -x -E -f "$work/known.txt" "$work/lines.txt" >"$work/unknown.txt" || true
count() { wc -l <"$1" | tr -d ' '; }
echo "commands: $(grep -c '^\$ ' "$work/real.txt"); lines of etcd's answers: $(count "$work/real.txt")"
echo "differing lines: $(count "$work/lines.txt"); of them not explained: $(count "$work/unknown.txt"); identical: $same"
if [ -s "$work/unknown.txt" ]; then
    echo "not explained in known.txt:"
    cat "$work/unknown.txt"
    exit 1
fi
