#!/bin/bash
# The counter against real etcd, one and three members on loopback, in the manner of the lab:
# `hey -n 2000` on each path with 3 and with 32 clients, for each mode of increments. Prints a table, and
# fails when an increment is lost or counted twice where that must not be (any mode but lock-early-release,
# which is expected to lose some).
#
# Needs etcd, etcdctl and hey (Debian: etcd-server, etcd-client, hey), and
#   cargo build --release -p squall-node && cargo build --release -p squall-etcd --example puts
# Ports 26179 to 26380 of loopback. Data goes to $BENCH_DATA (default: target/), which should be a real disk.
set -euo pipefail
cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
node=$target/release/squall-node
puts=$target/release/examples/puts
requests=${BENCH_REQUESTS:-2000}
for tool in etcd etcdctl hey curl "$node" "$puts"; do
  command -v "$tool" >/dev/null || { echo "$tool is missing; see the head of $0" >&2; exit 254; }
done
data=$(mktemp -d "${BENCH_DATA:-$target}/ha-counter-bench.XXXXXX")
data=$(realpath "$data")
members=()
counter=
stop() {
  for process in $counter "${members[@]}"; do kill "$process" 2>/dev/null || true; done
  wait 2>/dev/null || true
  counter= members=()
}
trap 'stop; rm -rf "$data"' EXIT

# start_etcd COUNT: a fresh group; sets `endpoints`.
start_etcd() {
  local group= i
  endpoints=
  rm -rf "${data:?}"/*
  for ((i = 0; i < $1; i++)); do
    group+=${group:+,}m$i=http://127.0.0.1:26${i}80
    endpoints+=${endpoints:+,}http://127.0.0.1:26${i}79
  done
  for ((i = 0; i < $1; i++)); do
    etcd --name m$i --data-dir "$data/m$i" --initial-cluster "$group" --initial-cluster-state new \
      --listen-client-urls http://127.0.0.1:26${i}79 --advertise-client-urls http://127.0.0.1:26${i}79 \
      --listen-peer-urls http://127.0.0.1:26${i}80 --initial-advertise-peer-urls http://127.0.0.1:26${i}80 \
      >"$data/m$i.log" 2>&1 &
    members+=($!)
  done
  for ((i = 0; i < 100; i++)); do
    etcdctl --endpoints "$endpoints" endpoint health >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "etcd does not become healthy; see $data" >&2
  exit 255
}

# start_counter MODE: with the key deleted; sets `counter`.
start_counter() {
  etcdctl --endpoints "$endpoints" del key >/dev/null
  ETCD_ENDPOINTS=$endpoints MY_POD_NAME=bench "$node" counter -server-addr 127.0.0.1:26380 -mode "$1" \
    >"$data/counter.log" 2>&1 &
  counter=$!
  for ((i = 0; i < 100; i++)); do
    curl -sf http://127.0.0.1:26380/healthz >/dev/null && return
    sleep 0.1
  done
  echo "the counter does not become healthy" >&2
  cat "$data/counter.log" >&2
  exit 255
}

# load PATH CLIENTS: sets `rate` and `acknowledged`, the number of 200s (hey sends a multiple of CLIENTS).
load() {
  local said
  said=$(hey -n "$requests" -c "$2" "http://127.0.0.1:26380$1")
  rate=$(awk '/Requests\/sec/ { printf "%.0f", $2 }' <<<"$said")
  acknowledged=$(awk '/\[200\]/ { print $2 }' <<<"$said")
  others=$(awk '/^  \[[0-9]+\]/ && !/\[200\]/ { n += $2 } END { print n + 0 }' <<<"$said")
  unknown=$(awk '/\[50[04]\]/ { n += $2 } END { print n + 0 }' <<<"$said")
}

# row NAME MEMBERS CLIENTS RATE ORIGINAL [NOTE]
row() { printf '| %-30s | %7s | %7s | %8s | %8s | %s\n' "$@"; }

failed=0
date -u +'%F %H:%M UTC, '"$(nproc) CPUs, etcd $(etcd --version | awk 'NR == 1 { print $3 }'), hey -n $requests"
row what members clients a_second original note
for count in 1 3; do
  # SYSTEMS.md 3.3: the original with three clients, by members.
  if [ $count = 1 ]; then was=(14067 4524 2765 174 -); else was=(15142 4458 2203 114 30); fi
  start_etcd $count
  start_counter coalesced
  load /static 32 # warm
  for clients in 3 32; do
    i=0
    for path in /static /healthz /fetch; do
      load $path $clients
      note=
      [ "$others" = 0 ] || note="$others not 200"
      row $path $count $clients "$rate" "$([ $clients = 3 ] && echo "${was[i]}" || echo -)" "$note"
      i=$((i + 1))
    done
  done
  kill $counter && wait $counter || true
  for mode in coalesced cas lock lock-early-release; do
    for clients in 3 32; do
      start_counter $mode
      load /increment $clients
      final=$(curl -s http://127.0.0.1:26380/fetch | sed 's/.*value = \([0-9]*\).*/\1/')
      lost=$((acknowledged - final))
      note="lost $lost of $acknowledged"
      [ "$others" = 0 ] || note+=", $others not 200, $unknown of them unknown"
      # What is unknown may be applied.
      if [ $mode != lock-early-release ] && { [ $lost -gt 0 ] || [ $((-lost)) -gt "$unknown" ]; }; then failed=1; fi
      original=-
      if [ $clients = 3 ]; then
        case $mode in lock) original=${was[4]} ;; *) original=${was[3]} ;; esac
      fi
      row "/increment $mode" $count $clients "$rate" "$original" "$note"
      kill $counter && wait $counter || true
      counter=
    done
  done
  for clients in 1 3 32; do
    row 'etcd itself: puts' $count $clients "$("$puts" "$endpoints" $clients "$requests")" - \
      'squall-etcd, a connection each'
  done
  stop
done
[ $failed = 0 ] || { echo 'an increment was lost or counted twice' >&2; exit 1; }
