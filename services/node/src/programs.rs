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
    /// Reads its arguments, environment and files.
    pub load: Load,
}

/// Every program, by its name.
pub fn programs() -> BTreeMap<&'static str, Program> {
    let all = [
        Program {
            name: "edge",
            about: "HTTP reverse proxy that reads nginx.conf",
            load: squall_edge::load,
        },
        Program {
            name: "pg-proxy",
            about: "TCP load balancer that reads haproxy.cfg",
            load: squall_pg_proxy::load,
        },
        Program {
            name: "pg-stub",
            about: "PostgreSQL on the wire, SQL in memory",
            load: squall_pg_stub::load,
        },
        Program {
            name: "users-api",
            about: "HTTP API over PostgreSQL: /data and /health",
            load: squall_users_api::load,
        },
    ];
    all.into_iter()
        .map(|program| (program.name, program))
        .collect()
}
