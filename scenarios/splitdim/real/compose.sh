#!/usr/bin/env bash
# Holds the lab's Docker Compose against Docker itself: the images, the lab's curl lines, and its failures.
#
#   scenarios/splitdim/real/compose.sh          about two minutes, the images not counted
#
# What it shows
#   a  in each mode: the seed's two transfers and what `/api/clear` says to them, balances, status codes,
#      the page, and that no container runs as root
#   b  transactionalkvstore: what was transferred is there after `docker-compose restart`; with load through nginx,
#      the store is killed and started again, and the books are right
#   c  the store missing: resilientkvstore and transactionalkvstore answer within 15 s that nothing was
#      transferred; in mode kvstore, the seed's endless loop, there is no answer
#
# Needs `cargo build --release -p squall-node --bin squall-node --example transfers`, docker, docker-compose,
# curl, the ports 8080 and 8081, and the image debian:bookworm-slim.
# It takes containers, networks and volumes of its own down again, and leaves the images.
#
# Exit: 0 everything holds, 1 something does not, 2 nothing was shown since something is missing.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
load=${TRANSFERS:-$root/target/release/examples/transfers}
app=http://127.0.0.1:8080
start_max_s=60
answer_max_s=15

missing() { echo "NOTHING WAS SHOWN: $*" >&2; exit 2; }
for tool in docker docker-compose curl; do
    command -v "$tool" >/dev/null || missing "no $tool"
done
for built in "$root/target/release/squall-node" "$load"; do
    [ -x "$built" ] || missing "no $built: cargo build --release -p squall-node --bin squall-node --example transfers"
done
docker info >/dev/null 2>&1 || missing "Docker does not run"
for port in 8080 8081; do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || missing "somebody listens on port $port"
done

failures=0
# check WHAT WANTED GOT
check() {
    if [ "$3" = "$2" ]; then
        printf 'ok      %s\n' "$1"
    else
        printf 'FAILED  %s: wanted %s, got %s\n' "$1" "$2" "$3"
        failures=$((failures + 1))
    fi
}

# has PATTERN TEXT: yes or no
has() {
    # shellcheck disable=SC2053
    [[ $2 == $1 ]] && echo yes || echo no
}

compose() { docker-compose --project-name squall-splitdim-check --file "$here/../docker-compose.yml" "$@"; }
# SplitDim may take as long to stop as the lab gives a transfer; nobody waits for that here.
down() { compose down --volumes --timeout 2 >/dev/null 2>&1; }
told=$(mktemp)
trap 'down; rm -f "$told"' EXIT
trap 'exit 130' INT TERM

status() { curl -s -o /dev/null -w '%{http_code}' -m "$answer_max_s" "$@"; }
get() { curl -s -m "$answer_max_s" "$@"; }
transfer() {
    status -H 'Content-Type: application/json' --request POST \
        --data "{\"sender\":\"$1\",\"receiver\":\"$2\",\"amount\":$3}" "$app/api/transfer"
}

# ready: until both instances answer through nginx
ready() {
    local deadline=$((SECONDS + start_max_s)) in_a_row=0
    while [ $in_a_row -lt 4 ]; do
        [ "$(status "$app/healthz")" = 200 ] && in_a_row=$((in_a_row + 1)) || in_a_row=0
        [ $SECONDS -lt $deadline ] || { check "$1: it comes up" 200 "$(status "$app/healthz")"; return 1; }
    done
}

# up MODE: from nothing
up() {
    down
    export KVSTORE_MODE=$1
    # Each instance has books of its own in mode local.
    export FRONT=two
    [ "$1" != local ] || FRONT=one
    compose up --detach >/dev/null 2>&1 || { check "$1: it starts" yes "$(compose ps)"; return 1; }
    ready "$1"
}

compose build --quiet >/dev/null 2>&1 || { compose build; echo "FAILED  the images do not build"; exit 1; }
echo "docker $(docker version --format '{{.Server.Version}}'), SplitDim has ${SPLITDIM_CPUS:-0.1} CPUs an instance"

# --- a: the lab's steps --------------------------------------------------------------------------

for mode in local kvstore resilientkvstore transactionalkvstore; do
    up "$mode" || continue
    check "$mode: reset" 200 "$(status "$app/api/reset")"
    check "$mode: a pays 1 for b" 200 "$(transfer a b 1)"
    check "$mode: b pays 1 for c" 200 "$(transfer b c 1)"
    check "$mode: accounts" '[{"holder":"a","balance":1},{"holder":"b","balance":0},{"holder":"c","balance":-1}]' \
        "$(get "$app/api/accounts")"
    check "$mode: c pays a" '[{"sender":"c","receiver":"a","amount":1}]' "$(get "$app/api/clear")"
    check "$mode: a transfer to oneself" 400 "$(transfer a a 1)"
    check "$mode: no JSON" 400 "$(status --request POST --data '{' "$app/api/transfer")"
    check "$mode: GET of a transfer" 405 "$(status "$app/api/transfer")"
    check "$mode: an unknown path" 404 "$(status "$app/nothing")"
    check "$mode: /healthz" 200 "$(status "$app/healthz")"
    check "$mode: the page" yes "$(has '*<title>*SplitDim*' "$(get "$app/")")"
    for container in kvstore splitdim1 splitdim2 nginx; do
        check "$mode: $container does not run as root" yes "$(has '[1-9]*' "$(docker exec "$container" id -u)")"
    done
    check "$mode: reset, and nobody is left" '200 []' "$(status "$app/api/reset") $(get "$app/api/accounts")"
done

# --- b: what is acknowledged stays ---------------------------------------------------------------

check 'before the restart: a pays 5 for b' 200 "$(transfer a b 5)"
compose restart --timeout 5 >/dev/null 2>&1
ready 'after the restart'
check 'after docker-compose restart' '[{"holder":"a","balance":5},{"holder":"b","balance":-5}]' "$(get "$app/api/accounts")"
compose rm --stop --force kvstore >/dev/null 2>&1
compose up --detach kvstore >/dev/null 2>&1
ready 'with a new container'
check 'with a new container of the store, and its volume' '[{"holder":"a","balance":5},{"holder":"b","balance":-5}]' \
    "$(get --retry 5 --retry-all-errors "$app/api/accounts")"

"$load" --to 127.0.0.1:8080 --connections 16 --users 100 --for-s 12 --settle-s 2 >"$told" 2>&1 &
loading=$!
sleep 4
docker kill kvstore >/dev/null
sleep 1
docker start kvstore >/dev/null
wait $loading
check 'the store killed and started under load: the books are right' 0 $?
sed 's/^/        /' "$told"

# --- c: without the store ------------------------------------------------------------------------

for mode in transactionalkvstore resilientkvstore kvstore; do
    up "$mode" || continue
    docker stop --time 2 kvstore >/dev/null
    began=$SECONDS
    answer=$(transfer a b 1)
    took=$((SECONDS - began))
    case $mode in
        # curl says 000 when it gave up. nginx would say 504 after a minute.
        kvstore) check "$mode without the store: no answer in $took s" 000 "$answer" ;;
        *) check "$mode without the store: answered after $took s" 503 "$answer" ;;
    esac
    check "$mode without the store: alive all the same" 200 "$(status "$app/healthz")"
done

echo
if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "everything holds"
