//! edge: an HTTP/1.1 reverse proxy that plays nginx and reads `nginx.conf`.
//!
//! Enter at [`load`], which reads a configuration and says all that is wrong with it, or at [`run`].
//!
//! | module | idea |
//! |---|---|
//! | [`syntax`] | the text of `nginx.conf` as a tree of directives |
//! | `config` | the tree as a typed configuration, and nginx's command line |
//! | `template`, `variables`, `evaluate` | text with variables: its parts, their names, their values |
//! | `server`, `connection` | listening and accepting; one client connection |
//! | `handle`, `phases`, `router`, `reply` | one request from head to reply |
//! | `flight`, `request`, `access_log` | what is known of a request, and its log line at its end |
//! | `proxy` | `proxy_pass`: one server after the other until one answers |
//! | `balance`, `upstream`, `pool` | the choice of a server, and idle connections |
//! | `exchange` | one request on one connection to an upstream |
//! | `resolver` | names that are resolved while edge runs |
//! | `tunnel` | a connection after `101 Switching Protocols` |
//! | `static_files`, `stub_status` | the other two kinds of content |
//!
//! Deliberately absent: TLS, HTTP/2, caching, rewriting of bodies, several worker processes, reload.
//! What nginx has and edge lacks is refused by name, never skipped in silence; directives that only
//! tune the real program are listed in [`squall_host::Facts::without_effect`].

mod access_log;
mod app;
mod balance;
mod client_body;
mod clock;
mod config;
mod connection;
mod errno;
mod error;
mod evaluate;
mod exchange;
mod flight;
mod handle;
mod phases;
mod pool;
mod proxy;
mod random;
mod reply;
mod request;
mod resolver;
mod router;
mod server;
mod static_files;
mod stub_status;
pub mod syntax;
mod template;
mod tunnel;
mod upstream;
mod uri;
mod variables;

use squall_host::{Diagnostics, Launch, Loaded};

pub use config::Config;
pub use error::Error;
pub use server::run;

/// Reads arguments and files as nginx does: `-c FILE`, `-g DIRECTIVES`, `-p PREFIX`, `-t`; without
/// `-c` the file is `/etc/nginx/nginx.conf`. Errors: all that is wrong with them, each with its
/// place.
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let (config, facts, arguments) = config::arguments::read(launch)?;
    let is_test = arguments.test;
    Ok(Loaded::new(facts, move |host, shutdown| {
        let config = config.clone();
        async move {
            if is_test {
                host.out.line("configuration file test is successful");
                return Ok(());
            }
            run(config, host, shutdown).await
        }
    }))
}
