#!/bin/sh
# Runs statements.sql with Debian's psql against PostgreSQL 15 and against pg-stub and shows where
# their answers differ. Needs the package postgresql-15 and root (it runs the server as `postgres`).
# Builds squall-node, whose pg-stub it asks, unless SQUALL_NODE names one.
# Exit status: 0 when they do not differ in more lines than `allowed`, 1 otherwise.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
bin=${PG_BIN:-/usr/lib/postgresql/15/bin}
work=$(mktemp -d)
real_port=${REAL_PORT:-54815}
stub_port=${STUB_PORT:-54816}
# Lines of output that may differ; each kind is named in README.md beside this file.
allowed=${ALLOWED:-10}
chmod 755 "$work"
mkdir "$work/data"
chown postgres "$work/data"
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

as_postgres "$bin/initdb" -D "$work/data" -U postgres --auth=trust --locale=C.UTF-8 >"$work/initdb.log" 2>&1
as_postgres "$bin/pg_ctl" -D "$work/data" -w -l "$work/data/log" \
    -o "-p $real_port -k $work/data -c listen_addresses=127.0.0.1 -c timezone=Etc/UTC" start >/dev/null
stub=
finish() {
    [ -z "$stub" ] || kill "$stub" 2>/dev/null || true
    as_postgres "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap finish EXIT

node=${SQUALL_NODE:-}
if [ -z "$node" ]; then
    (cd "$root" && cargo build --quiet -p squall-node)
    node=${CARGO_TARGET_DIR:-$root/target}/debug/squall-node
fi
POSTGRES_HOST_AUTH_METHOD=trust "$node" pg-stub \
    -c "port=$stub_port" -c listen_addresses=127.0.0.1 >"$work/stub.log" 2>&1 &
stub=$!
i=0
until "$bin/pg_isready" -q -h 127.0.0.1 -p "$stub_port"; do
    i=$((i + 1))
    [ "$i" -lt 100 ] || { cat "$work/stub.log"; exit 1; }
    sleep 0.1
done

run() {
    psql -X -a -h 127.0.0.1 -p "$1" -U postgres -d postgres -f "$here/statements.sql" 2>&1 |
        sed -e 's/^psql:[^ ]*: //' -e '/^LOCATION: /d'
}
run "$real_port" >"$work/real.txt"
run "$stub_port" >"$work/stub.txt"
diff -U1 "$work/real.txt" "$work/stub.txt" >"$work/diff.txt" && same=yes || same=no
cat "$work/diff.txt"
count=$(grep -c '^[-+][^-+]' "$work/diff.txt" || true)
total=$(wc -l <"$work/real.txt")
echo "differing lines: $count; lines of PostgreSQL's output: $total; identical: $same"
[ "$count" -le "$allowed" ]
