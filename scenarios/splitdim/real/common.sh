# What bench.sh and kill-store.sh share: processes and ports, a store on the real disk, instances of
# SplitDim, and the load that knows the books. To be sourced; not a test by itself.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
node=${SQUALL_NODE:-$root/target/release/squall-node}
load=${TRANSFERS:-$root/target/release/examples/transfers}
start_timeout_s=20
stop_timeout_s=10
declare -A running=()
work=

# --- what must be there --------------------------------------------------------------------------

missing=()
for tool in curl awk "$node" "$load"; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ${#missing[@]} -gt 0 ]; then
    {
        echo "NOTHING WAS SHOWN: missing ${missing[*]}"
        echo "  cargo build --release -p squall-node --bin squall-node --example transfers"
    } >&2
    exit 2
fi

# --- processes and ports -------------------------------------------------------------------------

# start NAME COMMAND...: in the background, its output appended to $work/NAME.log
start() {
    local name=$1
    shift
    "$@" >>"$work/$name.log" 2>&1 </dev/null &
    running[$name]=$!
}

# stop NAME: asks, waits, insists
stop() {
    local name=$1 pid=${running[$1]:-}
    [ -n "$pid" ] || return 0
    unset "running[$name]"
    kill -TERM "$pid" 2>/dev/null
    for _ in $(seq $((stop_timeout_s * 10))); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null && echo "$name did not stop when it was asked to"
    wait "$pid" 2>/dev/null
}

# kill_hard NAME: as the kernel does it, without a word
kill_hard() {
    local pid=${running[$1]}
    unset "running[$1]"
    kill -KILL "$pid"
    # bash would tell of it otherwise.
    wait "$pid" 2>/dev/null
}

cleanup() {
    local name
    # Those in front of the store first: they wait for it.
    for name in splitdim1 splitdim2 local kvstore "${!running[@]}"; do
        stop "$name"
    done
    [ -z "$work" ] || rm -rf "$work"
}

# begin FOLDER: a folder of our own below it, and the end of everything when the script ends
begin() {
    mkdir -p "$1" && work=$(mktemp -d "$1/real-XXXXXX") || exit 2
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    if [ "$(stat -f -c %T "$work")" = tmpfs ]; then
        echo "NOTHING WAS SHOWN: $work is in memory, where a sync does nothing: WORK=FOLDER" >&2
        exit 2
    fi
}

open_port() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port: sets $port to one that nothing listens on, below the ephemeral range
port=
declare -A taken=()
free_port() {
    while :; do
        port=$((20000 + RANDOM % 10000))
        [ -z "${taken[$port]:-}" ] && ! open_port "$port" && break
    done
    taken[$port]=yes
}

# await NAME PORT: until something listens there; gives up when the process ends or time is over
await() {
    local name=$1 at=$2 deadline=$((SECONDS + start_timeout_s))
    while ! open_port "$at"; do
        if ! kill -0 "${running[$name]}" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
            echo "$name does not listen on port $at:" >&2
            tail -n 20 "$work/$name.log" >&2
            exit 1
        fi
        sleep 0.05
    done
}

# --- the lab -------------------------------------------------------------------------------------

# start_store: on $store, with its data in $work/data
start_store() {
    start kvstore env LISTEN="127.0.0.1:$store" KVSTORE_DATA="$work/data" "$node" kvstore
    await kvstore "$store"
}

# start_splitdim NAME PORT MODE
start_splitdim() {
    start "$1" env LISTEN="127.0.0.1:$2" "$node" splitdim -mode "$3" -addr "127.0.0.1:${store:-1}"
    await "$1" "$2"
}

# reset PORT: every account is gone
reset() {
    curl -sf -m 30 "http://127.0.0.1:$1/api/reset" || { echo "no reset at port $1" >&2; exit 1; }
}

# metric PORT NAME
metric() { curl -s -m 10 "http://127.0.0.1:$1/metrics" | awk -v name="$2" '$1 == name { print $2 }'; }
