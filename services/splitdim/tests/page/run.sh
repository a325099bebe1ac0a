#!/usr/bin/env bash
# Plays somebody who uses SplitDim's page: Chromium without a window, against the real program on real sockets.
#
#   services/splitdim/tests/page/run.sh       about half a minute when squall-node is built
#
# Needs `cargo build -p squall-node` (or SQUALL_NODE=FILE), and from Debian:
#   apt-get install --no-install-recommends chromium nodejs npm curl
# It takes playwright-core (what tells Chromium what to do) from npm, into target/page, and leaves screenshots there.
#
# Settings: SQUALL_NODE, CHROMIUM (/usr/bin/chromium), PORT (18080; the next one is used, too)
#
# Exit: 0 everything holds, 1 something does not, 2 nothing was shown since something is missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../../.." && pwd)
node_program=${SQUALL_NODE:-$root/target/debug/squall-node}
port=${PORT:-18080}
work=$root/target/page

missing() {
    echo "nothing was shown: $*" >&2
    exit 2
}

[ -x "$node_program" ] || missing "no $node_program: cargo build -p squall-node"
for program in node npm curl "${CHROMIUM:-/usr/bin/chromium}"; do
    command -v "$program" >/dev/null || missing "no $program"
done

mkdir -p "$work/screenshots"
if [ ! -d "$work/node_modules/playwright-core" ]; then
    npm install --prefix "$work" --no-audit --no-fund --no-save playwright-core@1.65.1 >"$work/npm.log" 2>&1 ||
        missing "npm: see $work/npm.log"
fi

running=()
trap 'kill "${running[@]}" 2>/dev/null || true' EXIT

# PORT NAME=VALUE...: a SplitDim there, ready.
start() {
    local at=127.0.0.1:$1
    shift
    curl -s "http://$at/" -o /dev/null && missing "somebody listens on $at already: PORT=..."
    env LISTEN="$at" "$@" "$node_program" splitdim >>"$work/splitdim.log" 2>&1 &
    running+=($!)
    for _ in {1..100}; do
        curl -s "http://$at/healthz" -o /dev/null && return
        sleep 0.1
    done
    missing "no splitdim on $at: see $work/splitdim.log"
}

: >"$work/splitdim.log"
start "$port" KVSTORE_MODE=local
# Nobody listens on port 1.
start "$((port + 1))" KVSTORE_MODE=transactionalkvstore KVSTORE_ADDR=127.0.0.1:1

NODE_PATH=$work/node_modules node "$here/page.js" \
    "http://127.0.0.1:$port" "http://127.0.0.1:$((port + 1))" "$work/screenshots"
