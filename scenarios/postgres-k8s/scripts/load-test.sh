#!/usr/bin/env bash
# Sends requests one after the other and says who answered each.
#
#   scripts/load-test.sh [URL]
#   ATTEMPTS=20 DELAY=0.5      how many, and the pause after each in seconds
#   NAMESPACE=highload-dns
#
# The database is the server in the last line that HAProxy logged within LOG_WINDOW (1s). With few
# requests there may be none: db=unknown. `squall load` takes the log record of the request itself.
set -euo pipefail

url=${1:-http://127.0.0.1:8081/users}
attempts=${ATTEMPTS:-20}
delay=${DELAY:-0.5}
namespace=${NAMESPACE:-highload-dns}
log_window=${LOG_WINDOW:-1s}

headers=$(mktemp)
trap 'rm -f "$headers"' EXIT

# The value of a header of the last answer.
header() {
    awk -F': ' -v name="$1" 'tolower($1) == tolower(name) { sub(/\r$/, "", $2); value = $2 } END { print value }' \
        "$headers"
}

database() {
    kubectl -n "$namespace" logs deploy/haproxy --since="$log_window" 2>/dev/null \
        | grep -o 'pg_pool/pg[0-9]*' | tail -n 1 | cut -d/ -f2 || true
}

for ((i = 1; i <= attempts; i++)); do
    : > "$headers"
    body=$(curl --silent --dump-header "$headers" "$url" | tr -d '\r\n' || true)
    backend=$(header X-Upstream-Addr)
    db=$(database)
    printf '[%02d] %s | backend=%s | db=%s | body=%s\n' \
        "$i" "$(date +%H:%M:%S)" "${backend:-unknown}" "${db:-unknown}" "$body"
    sleep "$delay"
done
