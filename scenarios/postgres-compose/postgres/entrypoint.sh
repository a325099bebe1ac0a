#!/bin/sh
# Creates the database cluster on the first start, then becomes the server.
#
#   POSTGRES_PASSWORD          password of the superuser "postgres"; required unless the method is trust
#   POSTGRES_HOST_AUTH_METHOD  pg_hba method for connections over TCP (default scram-sha-256)
set -eu

method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "entrypoint: set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi

    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        password_file=$(mktemp)
        printf '%s\n' "$POSTGRES_PASSWORD" > "$password_file"
        initdb --username=postgres --auth-local=trust --auth-host="$method" \
            --pwfile="$password_file"
        rm "$password_file"
    else
        initdb --username=postgres --auth-local=trust --auth-host="$method"
    fi

    # initdb admits the loopback only.
    echo "host all all all $method" >> "$PGDATA/pg_hba.conf"
fi

exec postgres -c listen_addresses='*' "$@"
