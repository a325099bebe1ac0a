//! A command as a container's main process: `sleep 3600`, `sh -c 'until nslookup db; do sleep 2; done'`,
//! as init containers and images such as busybox have it, and as scripts have it that end in `exec etcd …`.
//!
//! Deliberately absent: the end at SIGTERM. A process with number 1 that has no handler for a signal
//! does not notice it (kill(2), pid_namespaces(7)), so such containers end with SIGKILL, after their grace.

use squall_host::{Diagnostic, Diagnostics, Host, Launch, Loaded, Shutdown};

use super::becoming::{self, Programs};
use super::{Command, Errors, Machine, check, parse, shell};

/// The command ended with another status than 0.
#[derive(Debug, thiserror::Error)]
#[error("the command ended with status {0}")]
struct Failed(i32);

/// Understands the command line, whose first word is the command's name.
pub(crate) fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    if launch.args.is_empty() {
        let complaint = Diagnostic::new("no command");
        return Err(complaint
            .help("give the container a `command`, such as `[\"sleep\", \"3600\"]`")
            .into());
    }
    let understood = parse(&launch.args).and_then(|command| check(&command).map(|()| command));
    let command = match understood {
        Ok(command) => command,
        Err(reason) => {
            let line = launch.args.join(" ");
            let complaint = Diagnostic::new(format!("cannot run `{line}`: {reason}"));
            return Err(complaint
                .help("write it with commands that `squall-node exec` knows, or name a program for the image under `programs:`")
                .into());
        }
    };
    let env = launch.env.clone();
    let (loaded, facts) = match &command {
        Command::Shell { script, .. } => becoming::load(script, launch)?,
        _ => Default::default(),
    };
    Ok(Loaded::new(facts, move |host: Host, shutdown: Shutdown| {
        let (command, env) = (command.clone(), env.clone());
        let programs = Programs::new(loaded.clone(), shutdown);
        async move {
            let machine = Machine {
                host: &host,
                env: &env,
                prints: true,
                errors: Errors::ToLog,
                ends_on_failure: false,
                programs: Some(&programs),
            };
            let outcome = machine.run(&command, "").await;
            shell::print(machine, &outcome.output);
            match outcome.status {
                0 => Ok(()),
                status => Err(Failed(status)),
            }
        }
    }))
}
