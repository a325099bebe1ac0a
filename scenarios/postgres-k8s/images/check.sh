#!/usr/bin/env bash
# Holds the images and manifests against real programs, without a cluster: every manifest is read by
# kubectl, every image is built, and the containers of compose.yaml must do what the lab says of them.
#
#   images/check.sh
#
# Needs docker, docker-compose, curl, `cargo build --release -p squall-node` at the root, and kubectl for
# the manifests (without it they are not looked at, and the script says so).
#
# What is not the cluster's: nginx runs with the configuration as published, because the cure's `resolve`
# wants nginx 1.27.3 and Debian has 1.22. HAProxy runs with the cure's.
#
# Exit: 0 everything holds, 1 something does not, 2 nothing was shown since something is missing.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
manifests=$here/../k8s
wait_max_s=90

for tool in docker docker-compose curl; do
    command -v "$tool" >/dev/null || { echo "NOTHING WAS SHOWN: $tool is missing" >&2; exit 2; }
done
if [ ! -x "$root/target/release/squall-node" ]; then
    echo "NOTHING WAS SHOWN: first, at $root: cargo build --release -p squall-node" >&2
    exit 2
fi

failures=0
check() {
    local what=$1 wanted=$2 got=$3
    if [[ $got == $wanted ]]; then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s: wanted %s, got %s\n' "$what" "$wanted" "$got"
        failures=$((failures + 1))
    fi
}

# Asks until the answer is the wanted one, or for wait_max_s.
within() {
    local what=$1 wanted=$2 got=
    shift 2
    for ((i = 0; i < wait_max_s; i++)); do
        got=$("$@" 2>&1)
        [[ $got == $wanted ]] && break
        sleep 1
    done
    check "$what" "$wanted" "$got"
}

# --- manifests -----------------------------------------------------------------------------------

if command -v kubectl >/dev/null; then
    for file in "$manifests"/*/*.yaml; do
        # Any verb with --local makes kubectl read the file into its own types. What has no containers
        # is then refused for that, and was read.
        said=$(kubectl set image --local -f "$file" '*=image' -o name 2>&1 \
            | grep -v -e 'does not have a pod template' -e '^$' -e '^deployment' -e '^statefulset' \
                      -e '^error: poddisruptionbudget.policy/[a-z-]*$')
        check "kubectl reads ${file#"$manifests/"}" '' "$said"
    done
    check 'kubectl builds the kustomization' 0 \
        "$(kubectl kustomize "$manifests" >/dev/null 2>&1; echo $?)"
else
    echo "not shown: kubectl is missing, no manifest was read"
fi

# --- what is in the ConfigMaps and Secrets -------------------------------------------------------

CONFIG=$(mktemp -d)
export CONFIG
chmod 755 "$CONFIG"
compose() { docker-compose --project-name squall-k8s-check --file "$here/compose.yaml" "$@"; }
clean() {
    compose down --volumes --timeout 1 >/dev/null 2>&1
    rm -rf "$CONFIG"
}
trap clean EXIT

# The text of a block `  KEY: |`.
content() {
    awk -v key="  $2: |" '
        $0 == key { inside = 1; next }
        inside && !/^    / && !/^$/ { exit }
        inside { print substr($0, 5) }' "$manifests/$1" > "$CONFIG/$2"
    check "$1 has $2" '[1-9]*' "$(wc -l < "$CONFIG/$2")"
}
content base/secrets.yaml 001_init.sql
content base/postgres-hba.yaml pg_hba.conf
content cured/haproxy.cm.yaml haproxy.cfg
content as-published/nginx.cm.yaml nginx.conf

# --- containers ----------------------------------------------------------------------------------

compose build --quiet || { echo "FAILED  the images do not build"; exit 1; }
compose up --detach >/dev/null 2>&1 || { echo "FAILED  the containers do not start"; compose ps; exit 1; }

in_container() { compose exec -T "$@"; }
sql() { in_container "$1" psql -U app -d appdb -h 127.0.0.1 -tAc "$2" | tr -d '\r'; }
address() {
    docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(compose ps -q "$1")"
}
status() { curl -s -o /dev/null -m 10 -w '%{http_code}' "$@"; }

ready=(pg_isready -h 127.0.0.1 -p 5432)
for server in postgres-primary postgres-replica-1 postgres-replica-2; do
    within "$server answers its probe" '*accepting connections*' in_container "$server" "${ready[@]}"
done
within 'haproxy answers its probe' 0 \
    bash -c "timeout 1 bash -c '</dev/tcp/$(address haproxy)/5432'; echo \$?"
within 'the statistics page is there' 200 status "http://$(address haproxy):8404/stats"
backend=http://$(address backend):8000
within 'backend answers its liveness probe' '{"status":"OK","pod":"*"}' curl -s -m 2 "$backend/health"
within 'backend answers its readiness probe' 200 status "$backend/ready"
within 'nginx answers its probe' 200 status "http://$(address nginx)/health"

check 'backend does not run as root' 65534 "$(in_container backend id -u | tr -d '\r')"
# pg_basebackup streams, too, under a name of its own.
streaming="SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND state = 'streaming'"
within 'both replicas stream' 2 sql postgres-primary "$streaming"
for server in postgres-replica-1 postgres-replica-2; do
    check "$server is a standby" t "$(sql "$server" 'SELECT pg_is_in_recovery()')"
    check "$server has the three users" 3 "$(sql "$server" 'SELECT count(*) FROM users')"
done
check 'a replica takes no writes' '*read-only transaction*' \
    "$(sql postgres-replica-1 "INSERT INTO users (name) VALUES ('x')" 2>&1)"

nginx=http://$(address nginx)
check 'three users through everything' '{"users":3,"pod":"*"}' "$(curl -s -m 10 "$nginx/users")"
check 'nginx says which backend it was' "*$(address backend):8000*" \
    "$(curl -s -m 10 -D - -o /dev/null "$nginx/users" | grep -i x-upstream-addr)"
check 'a user is added through the primary' '{"id":4,"pod":"*"}' \
    "$(curl -s -m 10 -X POST -d Dora "$nginx/users")"
for server in postgres-replica-1 postgres-replica-2; do
    within "$server gets the fourth user" 4 sql "$server" 'SELECT count(*) FROM users'
done

# --- failures ------------------------------------------------------------------------------------

compose kill postgres-replica-1 >/dev/null 2>&1
statuses=$(for ((i = 0; i < 20; i++)); do status "$nginx/users"; echo; done | sort | uniq -c | xargs)
check 'no request fails when a replica is killed' '20 200' "$statuses"
compose start postgres-replica-1 >/dev/null 2>&1
within 'it follows again' t sql postgres-replica-1 'SELECT pg_is_in_recovery()'
within 'and both stream' 2 sql postgres-primary "$streaming"

compose kill -s KILL postgres-primary >/dev/null 2>&1
check 'reads go on without the primary' '{"users":4,*' "$(curl -s -m 10 "$nginx/users")"
compose start postgres-primary >/dev/null 2>&1
within 'the primary is back with its data' 4 sql postgres-primary 'SELECT count(*) FROM users'

compose kill -s TERM backend >/dev/null 2>&1
check 'who is told to stop is not ready' 503 "$(status "$backend/ready")"
check 'but serves on' 200 "$(status "$backend/users")"
within 'and then ends' '' bash -c "docker ps -q --filter id=$(compose ps -q backend)"

echo
if [ "$failures" -gt 0 ]; then
    echo "$failures checks failed"
    exit 1
fi
echo "everything holds"
