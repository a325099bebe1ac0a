#!/usr/bin/env bash
# Creates the database cluster in an empty volume, runs /docker-entrypoint-initdb.d/*.sql and *.sh on
# it, then becomes the server. The arguments are the server's.
#
#   POSTGRES_USER      the superuser (postgres)
#   POSTGRES_PASSWORD  its password; required
#   POSTGRES_DB        the database that is made (POSTGRES_USER)
set -euo pipefail

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
scripts=/docker-entrypoint-initdb.d

# While the scripts run, nobody but they can connect: there is a local socket alone.
initialise() {
    local password_file socket script
    password_file=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" > "$password_file"
    initdb --username="$user" --auth-local=trust --auth-host=scram-sha-256 --pwfile="$password_file"
    rm "$password_file"
    # initdb admits the loopback only; `hba_file` among the arguments overrules this.
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"

    socket=$(mktemp -d)
    pg_ctl --pgdata="$PGDATA" --wait --options="-c listen_addresses='' -k $socket" start
    local psql=(psql --host="$socket" --username="$user" --no-psqlrc --set=ON_ERROR_STOP=1)
    if [ "$database" != postgres ]; then
        "${psql[@]}" --dbname=postgres --set=database="$database" <<< 'CREATE DATABASE :"database";'
    fi
    shopt -s nullglob
    for script in "$scripts"/*; do
        case $script in
            *.sql) echo "entrypoint: running $script"
                   "${psql[@]}" --dbname="$database" --file="$script" ;;
            *.sh)  echo "entrypoint: running $script"
                   PGHOST=$socket PGUSER=$user PGDATABASE=$database bash "$script" ;;
            *)     echo "entrypoint: ignoring $script" ;;
        esac
    done
    pg_ctl --pgdata="$PGDATA" --wait --mode=fast stop
    rm -r "$socket"
}

# The mark is made last: a first start that broke off begins anew.
mark=$PGDATA/entrypoint.done
if [ ! -e "$mark" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo "entrypoint: set POSTGRES_PASSWORD" >&2
        exit 1
    fi
    rm -rf "$PGDATA"
    install -d -m 0700 "$PGDATA"
    initialise
    touch "$mark"
fi

exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"
