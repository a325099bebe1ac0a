//! The table of programs.

use std::collections::BTreeMap;

use squall_host::launch::Load;

/// A service that can be started by its name.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name on the command line and in a scenario's `programs:`.
    pub name: &'static str,
    /// One line on what it is.
    pub about: &'static str,
    /// What it is told, and how.
    pub usage: &'static str,
    /// Reads its arguments, environment and files.
    pub load: Load,
}

/// Every program, by its name.
pub fn programs() -> BTreeMap<&'static str, Program> {
    let all = [
        Program {
            name: "counter",
            about: "A counter over HTTP, kept in etcd, in four modes",
            usage: "squall-node counter [-server-addr HOST:PORT] [-mode MODE]\n\n\
                    ETCD_ENDPOINTS             etcd's members (http://localhost:2379), commas between them\n\
                    INCREMENT_MODE             as -mode: coalesced (default), cas, lock, lock-early-release;\n\
                    \x20                          the last one is the original's and loses increments\n\
                    FETCH                      /fetch reads linearizable (default) or serializable\n\
                    LISTEN                     as -server-addr: where it listens (:8080)\n\
                    MY_POD_NAME, MY_POD_NAMESPACE, MY_NODE_NAME  who answers (unknown)\n\
                    REQUEST_TIMEOUT_MS         no answer is later (5000)\n\
                    ETCD_TIMEOUT_MS            for a call to etcd, over all members (2000)\n\
                    LOCK_TTL_S                 until the lock of a dead holder is free, in mode lock (5)\n\
                    LOG_STEPS                  on: mode lock-early-release tells each read and write (off)\n\
                    IN_FLIGHT_MAX              requests in progress; more get 503 at once (1024)\n\
                    SHUTDOWN_DELAY_MS          serves on for so long after SIGTERM (0)\n\
                    SHUTDOWN_GRACE_MS          after that, for what is in progress (30000)\n\
                    CONNECTIONS_MAX            clients at a time (4096)\n\n\
                    /increment answers 200: applied; 422, 503: certainly not; 504, 500: unknown.",
            load: squall_counter::load,
        },
        Program {
            name: "edge",
            about: "HTTP reverse proxy that reads nginx.conf",
            usage: "squall-node edge [-c FILE] [-p PREFIX] [-g DIRECTIVES] [-t]\n\n\
                    FILE is nginx.conf, by default /etc/nginx/nginx.conf. -t only checks it.",
            load: squall_edge::load,
        },
        Program {
            name: "etcd-stub",
            about: "etcd on the wire, over a real Raft group",
            usage: "squall-node etcd-stub",
            load: squall_etcd_stub::load,
        },
        Program {
            name: "kvstore",
            about: "Versioned key-value store over HTTP, with a synced log",
            usage: "squall-node kvstore\n\
                    squall-node kvstore log dump DIR|FILE\n\
                    squall-node kvstore log verify DIR\n\
                    squall-node kvstore log replay FROM INTO [--until SEQ]\n\n\
                    LISTEN                     where it listens (0.0.0.0:8081)\n\
                    KVSTORE_DATA               folder of log and snapshots (/var/lib/kvstore)\n\
                    KVSTORE_EQUAL_VALUE        the same value at a stale version: refuse (428, default)\n\
                                               or accept, as the original has it; that loses money\n\
                    KVSTORE_COMPACT_BYTES      a longer log is replaced by a snapshot (4194304)\n\
                    KVSTORE_KEYS_MAX           idempotency keys that are remembered (262144)\n\
                    KVSTORE_BODY_BYTES_MAX     of a request (1048576)\n\
                    KVSTORE_KEY_BYTES_MAX      of a key (1024)\n\
                    KVSTORE_PUTS_MAX           of a transaction (4096)\n\
                    KVSTORE_BATCH_BYTES_MAX    what may wait for the log before changes get 503 (8388608)\n\
                    KVSTORE_REQUEST_TIMEOUT_MS for a request (10000)\n\
                    CONNECTIONS_MAX            clients at a time (4096)\n\n\
                    The log is synced before an answer. `log verify` looks for damage, `log dump` shows\n\
                    what is there, `log replay` writes the store as it was after sequence SEQ to INTO.",
            load: squall_kvstore::load,
        },
        Program {
            name: "pg-proxy",
            about: "TCP load balancer that reads haproxy.cfg",
            usage: "squall-node pg-proxy [-f FILE]... [-c]\n\n\
                    FILE is haproxy.cfg, by default /usr/local/etc/haproxy/haproxy.cfg. -c only checks it.",
            load: squall_pg_proxy::load,
        },
        Program {
            name: "pg-stub",
            about: "PostgreSQL on the wire, SQL in memory",
            usage: "squall-node pg-stub [-c NAME=VALUE]...\n\n\
                    POSTGRES_PASSWORD          password of the superuser; required unless the method is trust\n\
                    POSTGRES_USER, POSTGRES_DB the superuser and the first database (postgres)\n\
                    POSTGRES_HOST_AUTH_METHOD  scram-sha-256 (default) or trust\n\
                    /docker-entrypoint-initdb.d/*.sql is run at the start.",
            load: squall_pg_stub::load,
        },
        Program {
            name: "shell",
            about: "A command of a small image as a container's main process",
            usage: "squall-node shell COMMAND [ARGS]...\n\n\
                    For init containers and images such as busybox: sleep 3600, or\n\
                    sh -c 'until nslookup db; do echo waiting; sleep 2; done'.",
            load: crate::exec::program::load,
        },
        Program {
            name: "splitdim",
            about: "Who owes whom: transfers over the key-value store, in four modes",
            usage: "squall-node splitdim [-mode MODE] [-addr HOST:PORT]\n\n\
                    KVSTORE_MODE               as -mode: local (default), kvstore, resilientkvstore,\n\
                    \x20                          transactionalkvstore\n\
                    KVSTORE_ADDR               as -addr: the store (localhost:8081)\n\
                    LISTEN                     where it listens (0.0.0.0:8080)\n\
                    REQUEST_TIMEOUT_MS         no answer is later, but for transfers in mode kvstore (10000)\n\
                    STORE_TIMEOUT_MS           for one request to the store (2000)\n\
                    IN_FLIGHT_MAX              requests in progress; more get 503 at once (1024)\n\
                    SHUTDOWN_DELAY_MS          serves on for so long after SIGTERM (0)\n\
                    SHUTDOWN_GRACE_MS          after that, for what is in progress (600000)\n\
                    CONNECTIONS_MAX            clients at a time (4096)\n\n\
                    The original's ways: UNKNOWN_MODE=local, DOWNSTREAM_STATUS=400, UNKNOWN_PATHS=page,\n\
                    OVERFLOW=wrap, EMPTY_NAMES=accept.",
            load: squall_splitdim::load,
        },
        Program {
            name: "users-api",
            about: "HTTP API over PostgreSQL: /data, /users, /health and /ready",
            usage: "squall-node users-api\n\n\
                    DB_HOST, DB_PORT           where the database is (localhost, 5432)\n\
                    DB_WRITE_HOST, DB_WRITE_PORT  where writes go (as DB_HOST, DB_PORT)\n\
                    DB_USER, DB_NAME           who asks (postgres each)\n\
                    DB_PASSWORD or DB_PASS     the password (postgres)\n\
                    BACKEND_ID or HOSTNAME     its name in answers (unknown-backend)\n\
                    LISTEN                     where it listens (0.0.0.0:5000)\n\
                    HEALTH_FORMAT              text (default) or json\n\
                    DB_ERROR_STATUS            the status when the database fails (503)\n\
                    DB_CONNECT_TIMEOUT_MS, DB_QUERY_TIMEOUT_MS  (60000)\n\
                    READY_TIMEOUT_MS           for the look at the database by /ready (1000)\n\
                    SHUTDOWN_DELAY_MS          serves on for so long after SIGTERM (0)\n\
                    CONNECTIONS_MAX            clients at a time (4096)",
            load: squall_users_api::load,
        },
        Program {
            name: "witness",
            about: "Puts an etcd to the test and writes down what it was told",
            usage: "squall-node witness\n\n\
                    ETCD_ENDPOINTS             the members: http://etcd0:2379,http://etcd1:2379\n\
                    LISTEN                     /healthz, /metrics and POST /stop (0.0.0.0:8090)\n\
                    KEYS                       how many keys are written, at most 32 (8)\n\
                    RATE                       reads and writes a second (20)\n\
                    LEASE_TTL_S                the TTL that is asked for (5)\n\
                    DURATION_S                 it stops by itself after so long (never)\n\
                    CALL_TIMEOUT_MS            for one call (5000)\n\
                    STOP_TIMEOUT_MS            for all that is done after it is told to stop (20000)\n\n\
                    One line of JSON for each operation; the invariants committed-kept,\n\
                    watch-complete, leases-last and etcd-reads judge them. Keys begin with /witness/.",
            load: squall_witness::load,
        },
    ];
    all.into_iter()
        .map(|program| (program.name, program))
        .collect()
}
