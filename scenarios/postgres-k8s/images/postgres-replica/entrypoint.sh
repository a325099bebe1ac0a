#!/usr/bin/env bash
# Waits for the primary, copies it when there is no data yet, and becomes its standby. The arguments are
# the server's.
#
#   PRIMARY_HOST          the primary's name; required
#   PRIMARY_PORT          its port (5432)
#   REPLICATION_USER      who copies and follows; required
#   REPLICATION_PASSWORD  its password; required
set -euo pipefail

: "${PRIMARY_HOST:?}" "${REPLICATION_USER:?}" "${REPLICATION_PASSWORD:?}"
port=${PRIMARY_PORT:-5432}

# The kubelet starts this anew if it ends, but waiting here is cheaper than its back-off.
until getent hosts "$PRIMARY_HOST" >/dev/null; do
    echo "entrypoint: no address for $PRIMARY_HOST yet"
    sleep 1
done
until pg_isready --quiet --host="$PRIMARY_HOST" --port="$port"; do
    echo "entrypoint: $PRIMARY_HOST does not take connections yet"
    sleep 2
done

copy() {
    # What an interrupted copy left is of no use.
    rm -rf "$PGDATA"
    install -d -m 0700 "$PGDATA"
    # -R writes primary_conninfo, and the password with it.
    PGPASSWORD=$REPLICATION_PASSWORD pg_basebackup \
        --host="$PRIMARY_HOST" --port="$port" --username="$REPLICATION_USER" \
        --pgdata="$PGDATA" --format=plain --wal-method=stream --progress --write-recovery-conf \
        --checkpoint=fast
}

if [ ! -e "$PGDATA/entrypoint.done" ]; then
    # Each copy begins with a checkpoint, and the one of another replica may remove the log that this
    # copy still needs: "requested WAL segment … has already been removed".
    until copy; do
        echo "entrypoint: the copy failed"
        sleep 2
    done
    touch "$PGDATA/entrypoint.done"
fi
touch "$PGDATA/standby.signal"

exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
