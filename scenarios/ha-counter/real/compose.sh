#!/usr/bin/env bash
# Holds the lab's Docker Compose against Docker and the real etcd: the seed's curl lines, increments that are
# consecutive, and none lost when a member of etcd and a counter are killed.
#
#   scenarios/ha-counter/real/compose.sh        about two minutes, the images not counted
#
# What it shows
#   a  the seed's curl lines: all three counters answer, increments are consecutive, nobody is root
#   b  under load through nginx: the member of etcd that leads is killed and started, then a counter; every
#      value is answered once, none is missing that was acknowledged
#   c  two members are gone: /increment says 503 or 504 in time, /healthz says 500, /livez 200; and back again
#
# Needs `cargo build --release -p squall-node`, docker, docker-compose, curl, python3, the port 8080, and the
# image debian:bookworm-slim. It takes containers, networks and volumes of its own down again, and leaves the
# images.
#
# Exit: 0 everything holds, 1 something does not, 2 nothing was shown since something is missing.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
app=http://127.0.0.1:8080
start_max_s=60
answer_max_s=15

missing() { echo "NOTHING WAS SHOWN: $*" >&2; exit 2; }
for tool in docker docker-compose curl python3; do
    command -v "$tool" >/dev/null || missing "no $tool"
done
[ -x "$root/target/release/squall-node" ] || missing "no squall-node: cargo build --release -p squall-node"
docker info >/dev/null 2>&1 || missing "Docker does not run"
! (exec 3<>/dev/tcp/127.0.0.1/8080) 2>/dev/null || missing "somebody listens on port 8080"

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

compose() { docker-compose --project-name squall-counter-check --file "$here/../docker-compose.yml" "$@"; }
down() { compose down --volumes --timeout 2 >/dev/null 2>&1; }
told=$(mktemp)
trap 'down; rm -f "$told"' EXIT
trap 'exit 130' INT TERM

get() { curl -s -m "$answer_max_s" "$@"; }
status() { curl -s -o /dev/null -w '%{http_code}' -m "$answer_max_s" "$@"; }
count() { get "$app/fetch" | sed -n 's/.*count value = \([0-9]*\).*/\1/p'; }

# ready WHAT: until every counter answers through nginx
ready() {
    local deadline=$((SECONDS + start_max_s)) in_a_row=0
    while [ $in_a_row -lt 6 ]; do
        [ "$(status "$app/healthz")" = 200 ] && in_a_row=$((in_a_row + 1)) || in_a_row=0
        [ $SECONDS -lt $deadline ] || { check "$1: it comes up" 200 "$(status "$app/healthz")"; return 1; }
    done
}

# leader: the container that etcd itself says is its leader
leader() {
    local one
    for one in etcd0 etcd1 etcd2; do
        docker exec "$one" etcdctl endpoint status 2>/dev/null | grep -q ', true,' && echo $one && return
    done
}

compose build --quiet >/dev/null 2>&1 || { compose build; echo "FAILED  the images do not build"; exit 1; }
down
compose up --detach >/dev/null 2>&1 || { compose up --detach; echo "FAILED  it does not start"; exit 1; }
ready 'from nothing' || exit 1
echo "docker $(docker version --format '{{.Server.Version}}'), $(docker exec etcd0 etcd --version | head -n 1)"

# --- a: the seed's steps -------------------------------------------------------------------------

pods=$(for _ in 1 2 3 4 5 6; do get "$app/static"; echo; done | sed 's/.*"pod":"\([^"]*\)".*/\1/' | sort -u | tr '\n' ' ')
check 'all three counters answer' 'counter1 counter2 counter3 ' "$pods"
check '/static' '{"content":"meaning of life = 42","message":"Status OK","node":"compose","pod":"counter1"}' \
    "$(for _ in 1 2 3; do get "$app/static"; echo; done | grep counter1)"
check '/healthz' '{"content":"etcd members = 3","message":"Status OK","node":"compose","pod":"counter1"}' \
    "$(for _ in 1 2 3; do get "$app/healthz"; echo; done | grep counter1)"
first=$(count)
for n in 1 2 3 4 5 6; do
    check "increment $n" "{\"content\":\"count value = $((first + n))\",\"message\":\"Status OK\"}" "$(get "$app/increment")"
done
check '/fetch' "$((first + 6))" "$(count)"
check 'an unknown path' 404 "$(status "$app/nothing")"
for container in etcd0 etcd1 etcd2 counter1 counter2 counter3 nginx; do
    user=$(docker exec "$container" id -u)
    check "$container does not run as root" yes "$([ "${user:-0}" != 0 ] && echo yes || echo no)"
done

# --- b: what is acknowledged stays ---------------------------------------------------------------

before=$(count)
python3 "$here/load.py" --url "$app/increment" --connections 12 --for-s 20 >"$told" &
loading=$!
sleep 4
lost=$(leader)
docker kill "$lost" >/dev/null
echo "        $lost led, and is killed"
sleep 4
docker start "$lost" >/dev/null
sleep 3
docker kill counter2 >/dev/null
sleep 3
docker start counter2 >/dev/null
wait $loading
sed 's/^/        /' "$told"
ready 'after the kills'
python3 "$here/load.py" --judge "$told" --before "$before" --after "$(count)"
check 'the leader of etcd and a counter killed under load: nothing is lost, nothing is answered twice' 0 $?

# --- c: without a majority -----------------------------------------------------------------------

docker kill etcd0 etcd1 >/dev/null
sleep 3
began=$SECONDS
answer=$(status --request POST "$app/increment")
check "two members gone: /increment refuses, after $((SECONDS - began)) s" yes \
    "$([[ $answer = 50[034] ]] && echo yes || echo "$answer")"
check 'two members gone: /healthz' 500 "$(status "$app/healthz")"
check 'two members gone: /livez' 200 "$(status "$app/livez")"
docker start etcd0 etcd1 >/dev/null
ready 'with all members again'
check 'with all members again: it counts' 200 "$(status --request POST "$app/increment")"

echo
if [ $failures -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "everything holds"
