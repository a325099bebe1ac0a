#!/usr/bin/env bash
# Holds squall-node against real programs, on real sockets of the loopback.
#
#   tests/real/run.sh            everything; about a minute and a half
#   SECONDS_EACH=1 ROUNDS=1 tests/real/run.sh
#
# What it shows
#   a  psql and pgbench talk to `squall-node pg-stub`: a SELECT, prepared statements in the simple and
#      in the extended protocol, an error with its SQLSTATE, a transaction rolled back, a wrong password
#   b  wrk through `squall-node edge` to `squall-node users-api`, and through real nginx with the
#      same nginx.conf: no errors, and the requests/s of both
#   c  psql and pgbench through `squall-node pg-proxy` to a real PostgreSQL, and through real HAProxy
#      with the same haproxy.cfg: no errors, and the transactions/s of both
#
# Needs `cargo build --release -p squall-node` (or SQUALL_NODE=FILE), and from Debian:
#   apt-get install --no-install-recommends postgresql-15 nginx-light haproxy wrk curl
# It installs nothing, keeps its files in one temporary folder, and ends everything that it started.
# As root it runs PostgreSQL as the user postgres, for PostgreSQL refuses to run as root.
#
# Settings
#   SECONDS_EACH  length of each measurement (3)
#   ROUNDS        the two programs take turns so often; the mean counts (2)
#
# Exit: 0 everything holds, 1 something does not, 2 nothing was shown since something is missing.
# The speeds are printed, never judged: they are the machine's.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
node=${SQUALL_NODE:-$root/target/release/squall-node}
seconds_each=${SECONDS_EACH:-3}
rounds=${ROUNDS:-2}
pg_bin=/usr/lib/postgresql/15/bin
PATH=$PATH:/usr/sbin:$pg_bin
start_timeout_s=20

failures=0
checks=0
declare -A running=()
work=

# --- what must be there --------------------------------------------------------------------------

missing=()
for tool in psql pgbench initdb postgres nginx haproxy wrk curl; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if [ ! -x "$node" ]; then
    missing+=("$node")
fi
if [ ${#missing[@]} -gt 0 ]; then
    {
        echo "SKIPPED, NOTHING WAS SHOWN: missing ${missing[*]}"
        echo "  apt-get install --no-install-recommends postgresql-15 nginx-light haproxy wrk curl"
        echo "  cargo build --release -p squall-node"
    } >&2
    exit 2
fi

# --- processes and ports -------------------------------------------------------------------------

# start NAME COMMAND...: in the background, its output in $work/NAME.log
start() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 </dev/null &
    running[$name]=$!
}

# stop NAME: asks, waits 10 s, insists
stop() {
    local name=$1 pid=${running[$1]:-}
    [ -n "$pid" ] || return 0
    unset "running[$name]"
    kill -TERM "$pid" 2>/dev/null
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    if kill -KILL "$pid" 2>/dev/null; then
        check "$name stops when it is asked to" false
    fi
    wait "$pid" 2>/dev/null
}

cleanup() {
    local name
    for name in "${!running[@]}"; do
        stop "$name"
    done
    [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

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

# --- assertions ----------------------------------------------------------------------------------

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    if "$@"; then
        echo "  ✓ $what"
    else
        echo "  ✗ $what"
        failures=$((failures + 1))
    fi
}

# matches TEXT REGEX: over the whole text, which may have several lines
matches() {
    [[ $1 =~ $2 ]] && return
    printf 'expected /%s/ in:\n%s\n' "$2" "$1" | sed 's/^/      /'
    return 1
}

lacks() {
    [[ ! $1 =~ $2 ]] && return
    printf 'unexpected /%s/ in:\n%s\n' "$2" "$1" | sed 's/^/      /'
    return 1
}

# cpu_ms NAME: what the process and its children have used
cpu_ms() {
    local stat ticks=0 fields pid=${running[$1]}
    for stat in /proc/[0-9]*/stat; do
        # The name in brackets may hold blanks. After it: state, parent, ..., user time, system time.
        fields=$(cat "$stat" 2>/dev/null) || continue
        read -r -a fields <<<"${fields%% *} ${fields##*) }"
        if [ "${fields[0]}" = "$pid" ] || [ "${fields[2]}" = "$pid" ]; then
            ticks=$((ticks + fields[12] + fields[13]))
        fi
    done
    echo $((ticks * 1000 / $(getconf CLK_TCK)))
}

# per_item NAME CPU_MS_BEFORE ITEMS: microseconds of CPU since then for each item
per_item() { awk -v ms="$(($(cpu_ms "$1") - $2))" -v items="${3:-0}" 'BEGIN { printf "%.1f", (items ? ms * 1000 / items : 0) }'; }

# mean NUMBER...; ratio A B
mean() { printf '%s\n' "$@" | awk '{ sum += $1 } END { printf "%.1f", (NR ? sum / NR : 0) }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b ? a / b : 0) }'; }

# --- a: psql and pg-stub -------------------------------------------------------------------------

work=$(mktemp -d)
chmod 755 "$work"
export PGCONNECT_TIMEOUT=10 PGUSER=postgres PGDATABASE=postgres PGHOST=127.0.0.1 PSQLRC=/dev/null
unset PGSERVICE PGSSLMODE PGOPTIONS

echo "a  psql $(psql --version | awk '{ print $3 }') to squall-node pg-stub"
free_port; stub=$port
# As in the official image, the loopback would need no password.
echo "host all all all scram-sha-256" >"$work/pg_hba.conf"
start pg-stub env POSTGRES_PASSWORD=secret "$node" pg-stub \
    -c "port=$stub" -c listen_addresses=127.0.0.1 -c "hba_file=$work/pg_hba.conf"
await pg-stub "$stub"

stub_psql() { PGPASSWORD=secret psql -p "$stub" -X "$@" 2>&1; }

check "SELECT" matches "$(stub_psql -Atc "SELECT 1 + 1, 'a' || 'b', inet_server_addr()")" '^2\|ab\|127\.0\.0\.1$'

check "a prepared statement, simple protocol" matches "$(stub_psql -At <<'SQL'
PREPARE twice(int) AS SELECT $1 * 2;
EXECUTE twice(21);
EXECUTE twice(4);
DEALLOCATE twice;
SQL
)" $'42\n8\n'

check "an error with its SQLSTATE" matches "$(stub_psql -At <<'SQL'
SELECT * FROM nothing_here;
\errverbose
SQL
)" 'ERROR: +42P01: relation "nothing_here" does not exist'

check "an error of syntax with its place" matches "$(stub_psql -At <<'SQL'
SELEC 1;
\errverbose
SQL
)" $'ERROR: +42601: syntax error at or near "SELEC"\nLINE 1: SELEC 1;'

check "a unique violation" matches "$(stub_psql -At -v VERBOSITY=verbose <<'SQL'
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO users VALUES (1, 'Ann');
INSERT INTO users VALUES (1, 'Bob');
SQL
)" 'ERROR: +23505: duplicate key value violates unique constraint'

check "a transaction rolled back leaves nothing" matches "$(stub_psql -At <<'SQL'
BEGIN;
INSERT INTO users VALUES (2, 'Bob');
SELECT 'inside', count(*) FROM users;
ROLLBACK;
SELECT 'after', count(*) FROM users;
SQL
)" $'inside\\|2\nROLLBACK\nafter\\|1'

check "a failed transaction refuses all but ROLLBACK" matches "$(stub_psql -At -v VERBOSITY=verbose <<'SQL'
BEGIN;
SELECT 1 / 0;
SELECT 1;
COMMIT;
SELECT 'open', count(*) FROM users;
SQL
)" $'ERROR: +22012.*ERROR: +25P02.*ROLLBACK\nopen\\|1'

check "psql lists the tables" matches "$(stub_psql -Atc '\dt')" '^public\|users\|table\|postgres$'

check "a wrong password" matches "$(PGPASSWORD=wrong psql -p "$stub" -X -c 'SELECT 1' 2>&1)" \
    'password authentication failed for user "postgres"'

cat >"$work/extended.sql" <<'SQL'
\set n random(1, 1000)
SELECT :n * 2, :n::text;
SQL
for protocol in extended prepared; do
    out=$(PGPASSWORD=secret timeout 60 pgbench -p "$stub" -n -M "$protocol" -f "$work/extended.sql" -c 4 -t 250 2>&1)
    check "pgbench -M $protocol: 1000 queries with parameters, none fails" \
        matches "$out" 'actually processed: 1000/1000.*failed transactions: 0 '
done
stop pg-stub

# --- b: wrk, edge and nginx ----------------------------------------------------------------------

echo "b  wrk to squall-node users-api, through squall-node edge and through nginx $(nginx -v 2>&1 | sed 's|.*/||')"
free_port; app=$port
free_port; web=$port
start users-api env LISTEN="127.0.0.1:$app" BACKEND_ID=backend1 "$node" users-api
await users-api "$app"

# nginx_conf UPSTREAM_LINE PROXY_LINES
nginx_conf() {
    cat <<CONF
worker_processes auto;
error_log /dev/stderr warn;
pid $work/nginx.pid;
events {
    worker_connections 1024;
}
http {
    access_log off;
    client_body_temp_path $work/nginx-body;
    proxy_temp_path $work/nginx-proxy;
    upstream backends {
        server 127.0.0.1:$app;
        $1
    }
    server {
        listen 127.0.0.1:$web;
        keepalive_requests 1000000;
        location / {
            proxy_pass http://backends;
            $2
        }
    }
}
CONF
}
nginx_conf "" "" >"$work/close.conf"
nginx_conf "keepalive 32; keepalive_requests 1000000;" \
    'proxy_http_version 1.1; proxy_set_header Connection "";' >"$work/keepalive.conf"

# web_round PROGRAM CONF: adds to rate[PROGRAM.CONF] and cpu_us[PROGRAM.CONF]
declare -A rate=() cpu_us=()
web_round() {
    local program=$1 conf=$2 out before
    if [ "$program" = edge ]; then
        start edge "$node" edge -c "$work/$conf.conf"
    else
        start nginx nginx -e /dev/stderr -c "$work/$conf.conf" -g "daemon off;"
    fi
    await "$program" "$web"
    check "$program, upstream $conf: one answer" matches "$(curl -s -m 10 "http://127.0.0.1:$web/health")" '^OK'
    before=$(cpu_ms "$program")
    out=$(timeout $((seconds_each + 30)) wrk -t1 -c16 -d"${seconds_each}s" "http://127.0.0.1:$web/health" 2>&1)
    cpu_us[$program.$conf]+=" $(per_item "$program" "$before" "$(awk '/requests in/ { print $1 }' <<<"$out")")"
    check "$program, upstream $conf: wrk sees no error" lacks "$out" 'Socket errors|Non-2xx|unable'
    check "$program, upstream $conf: wrk counts" matches "$out" 'Requests/sec: +[0-9]'
    rate[$program.$conf]+=" $(awk '/Requests\/sec/ { print $2 }' <<<"$out")"
    stop "$program"
}
for _ in $(seq "$rounds"); do
    for conf in keepalive close; do
        web_round edge "$conf"
        web_round nginx "$conf"
    done
done
out=$(timeout $((seconds_each + 30)) wrk -t1 -c16 -d"${seconds_each}s" "http://127.0.0.1:$app/health" 2>&1)
rate[none.web]=$(awk '/Requests\/sec/ { print $2 }' <<<"$out")
stop users-api

# --- c: psql, pgbench, pg-proxy and HAProxy -----------------------------------------------------

echo "c  psql and pgbench to PostgreSQL $(postgres --version | awk '{ print $3 }')," \
    "through squall-node pg-proxy and through HAProxy $(haproxy -v | awk 'NR == 1 { print $3 }')"
free_port; database=$port
free_port; proxy=$port
as_postgres=()
mkdir "$work/pg"
if [ "$(id -u)" = 0 ]; then
    as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres "$work/pg"
fi
# The first `setpriv … initdb` must not write into the caller's folder, which it may not read.
if ! (cd / && "${as_postgres[@]}" initdb -D "$work/pg/data" -U postgres -A trust -N) >"$work/initdb.log" 2>&1; then
    cat "$work/initdb.log" >&2
    exit 1
fi
start postgres "${as_postgres[@]}" "$pg_bin/postgres" -D "$work/pg/data" -p "$database" -k "$work/pg" \
    -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=50
await postgres "$database"
for _ in $(seq 100); do
    psql -p "$database" -Xqc 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
done
pgbench -p "$database" -i -q -s 1 >"$work/pgbench-init.log" 2>&1 || { cat "$work/pgbench-init.log" >&2; exit 1; }

cat >"$work/haproxy.cfg" <<CFG
global
    maxconn 256

defaults
    mode tcp
    option redispatch
    timeout connect 5s
    timeout client 1m
    timeout server 1m

listen postgres
    bind 127.0.0.1:$proxy
    balance roundrobin
    option pgsql-check user postgres
    server one 127.0.0.1:$database check
CFG

processed() { awk '/actually processed/ { print $NF }' <<<"$1"; }

# database_round PROGRAM
database_round() {
    local program=$1 out before
    if [ "$program" = pg-proxy ]; then
        start pg-proxy "$node" pg-proxy -f "$work/haproxy.cfg"
    else
        start haproxy haproxy -db -f "$work/haproxy.cfg"
    fi
    await "$program" "$proxy"
    check "$program: psql gets an answer of the real server" matches \
        "$(psql -p "$proxy" -XAtc 'SHOW server_version; SELECT count(*) FROM pgbench_accounts' 2>&1)" $'^15\\..*\n100000$'
    check "$program: psql gets an error of the real server" matches \
        "$(psql -p "$proxy" -XAt -v VERBOSITY=verbose -c 'SELECT 1 / 0' 2>&1)" 'ERROR: +22012: division by zero'
    check "$program: 1 MB goes through whole" matches \
        "$(psql -p "$proxy" -XAtc "SELECT repeat('x', 1000000)" 2>&1 | wc -c)" '^1000001$'
    before=$(cpu_ms "$program")
    out=$(timeout $((seconds_each + 30)) pgbench -p "$proxy" -n -S -M prepared -c 8 -T "$seconds_each" 2>&1)
    cpu_us[$program.open]+=" $(per_item "$program" "$before" "$(processed "$out")")"
    check "$program: pgbench -S, no failure" matches "$out" 'failed transactions: 0 .*tps = [0-9]'
    rate[$program.open]+=" $(awk '/^tps/ { print $3 }' <<<"$out")"
    before=$(cpu_ms "$program")
    out=$(timeout $((seconds_each + 30)) pgbench -p "$proxy" -n -S -C -c 4 -T "$seconds_each" 2>&1)
    cpu_us[$program.each]+=" $(per_item "$program" "$before" "$(processed "$out")")"
    check "$program: pgbench -S -C, no failure" matches "$out" 'failed transactions: 0 .*tps = [0-9]'
    rate[$program.each]+=" $(awk '/^tps/ { print $3 }' <<<"$out")"
    stop "$program"
}
for _ in $(seq "$rounds"); do
    database_round pg-proxy
    database_round haproxy
done

# --- the same without a proxy -------------------------------------------------------------------

out=$(timeout $((seconds_each + 30)) pgbench -p "$database" -n -S -M prepared -c 8 -T "$seconds_each" 2>&1)
rate[none.open]=$(awk '/^tps/ { print $3 }' <<<"$out")
out=$(timeout $((seconds_each + 30)) pgbench -p "$database" -n -S -C -c 4 -T "$seconds_each" 2>&1)
rate[none.each]=$(awk '/^tps/ { print $3 }' <<<"$out")
stop postgres

# --- what came of it -----------------------------------------------------------------------------

# The lists of numbers are meant to fall apart into words.
# shellcheck disable=SC2086
# line WHAT OURS THEIRS DIRECT
line() {
    local ours theirs ours_us theirs_us
    ours=$(mean ${rate[$2]}) theirs=$(mean ${rate[$3]})
    ours_us=$(mean ${cpu_us[$2]}) theirs_us=$(mean ${cpu_us[$3]})
    printf '  %-38s %7.0f %7.0f %5s %8.0f   %7s %7s %5s\n' "$1" \
        "$ours" "$theirs" "$(ratio "$ours" "$theirs")" "${rate[$4]:-0}" \
        "$ours_us" "$theirs_us" "$(ratio "$ours_us" "$theirs_us")"
}
echo
echo "  mean of $rounds x $seconds_each s, $(nproc) cores shared by all programs"
printf '  %-38s %32s   %22s\n' "" "each second" "CPU of the proxy, us each"
printf '  %-38s %7s %7s %5s %8s   %7s %7s %5s\n' "" ours real ratio direct ours real ratio
line "HTTP, edge : nginx, upstream kept open" edge.keepalive nginx.keepalive none.web
line "the same, upstream opened each time" edge.close nginx.close none.web
line "SELECT, pg-proxy : HAProxy, 8 sessions" pg-proxy.open haproxy.open none.open
line "the same, a session for each" pg-proxy.each haproxy.each none.each
echo
if [ "$failures" -gt 0 ]; then
    echo "failed: $failures of $checks checks do not hold"
    exit 1
fi
echo "passed: $checks checks hold"
