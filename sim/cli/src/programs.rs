//! The programs that can be run, by name, and the commands that can be run beside them: what
//! `squall-node` has.

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use squall_host::Host;
use squall_scenario::Programs;

/// Calls `use_them` with all programs.
pub(crate) fn with<T>(use_them: impl FnOnce(&Programs<'_>) -> T) -> T {
    let programs = squall_node::programs();
    let names: Vec<&str> = programs.keys().copied().collect();
    use_them(&Programs {
        names: &names,
        load: &|name| programs.get(name).map(|program| program.load.into()),
        knows: &|command| squall_node::knows(command),
    })
}

/// Runs a command beside a process.
pub(crate) fn exec(
    host: Host,
    env: BTreeMap<String, String>,
    command: Vec<String>,
) -> BoxFuture<'static, i32> {
    Box::pin(async move { squall_node::exec(&host, &env, &command).await })
}
