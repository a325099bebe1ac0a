//! The plan between two network namespaces of this machine, joined by a veth pair; nftables loses
//! the packets, since the netem queue discipline is absent from many kernels.
//!
//! Packets are lost at the receiver's input hook: a drop on the way out would be reported to the
//! sender, as no wire does.

use std::io;
use std::process::{Command as Blocking, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::{Duration, sleep};

use crate::plan::{CLIENT, Direction, Effort, SERVER, What};

/// Why the kernel cannot be measured here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Namespaces are made by root.
    #[error("this needs root: it makes two network namespaces (--simulated-only does without)")]
    NotRoot,
    /// A program that it stands on is missing.
    #[error("`{program}` does not run here: install it ({package}), or use --simulated-only")]
    Missing {
        /// Its name.
        program: &'static str,
        /// Where Debian has it.
        package: &'static str,
    },
    /// A step failed.
    #[error("`{command}` failed: {why}")]
    Step {
        /// What was run.
        command: String,
        /// Its exit status and what it said, or why it did not start.
        why: String,
    },
    /// The clients in the namespace said something else than measurements.
    #[error("the clients measured nothing that can be read: {0}")]
    Clients(#[from] serde_json::Error),
}

/// Two namespaces and the wire between them; gone when it is dropped.
pub struct Namespaces {
    client: String,
    server: String,
}

impl Namespaces {
    /// Makes them, with TCP as Linux ships it: a machine's own choice of congestion control would
    /// show.
    pub async fn new() -> Result<Self, Error> {
        check()?;
        let id = std::process::id();
        let (client, server) = (format!("squall-{id}-client"), format!("squall-{id}-server"));
        let namespaces = Self { client, server };
        let (client, server) = (&namespaces.client, &namespaces.server);
        let steps = [
            format!("netns add {client}"),
            format!("netns add {server}"),
            format!("link add veth0 netns {client} type veth peer name veth0 netns {server}"),
            format!("-n {client} address add {CLIENT}/30 dev veth0"),
            format!("-n {server} address add {}/30 dev veth0", SERVER.ip()),
            format!("-n {client} link set veth0 up"),
            format!("-n {server} link set veth0 up"),
        ];
        for step in steps {
            ip(&step, "").await?;
        }
        for name in [client, server] {
            // Not every machine has both; reno is always there.
            let choose = |algorithm| {
                format!("netns exec {name} sysctl -qw net.ipv4.tcp_congestion_control={algorithm}")
            };
            if ip(&choose("cubic"), "").await.is_err() {
                ip(&choose("reno"), "").await?;
            }
        }
        Ok(namespaces)
    }

    /// Measures; milliseconds.
    pub async fn measure(
        &self,
        what: What,
        percent: u8,
        direction: Direction,
        effort: Effort,
    ) -> Result<Vec<f64>, Error> {
        for name in [&self.client, &self.server] {
            ip(&format!("netns exec {name} nft flush ruleset"), "").await?;
        }
        let _server = self.serve()?;
        sleep(Duration::from_millis(300)).await; // it starts to listen
        let lossy = |wanted, name: &str| match wanted {
            true => format!(" --lossy {name}"),
            false => String::new(),
        };
        let arguments = format!(
            "netns exec {} {} measure --what {} --percent {percent} --count {} --clients {} --limit-ms {}{}{}",
            self.client,
            own_program()?,
            what.name(),
            effort.count,
            effort.clients,
            effort.limit.as_millis(),
            lossy(direction.to_server(), &self.server),
            lossy(direction.to_client(), &self.client),
        );
        Ok(serde_json::from_str(&ip(&arguments, "").await?)?)
    }

    fn serve(&self) -> Result<Child, Error> {
        let arguments = format!("netns exec {} {} serve", self.server, own_program()?);
        Command::new("ip")
            .args(arguments.split(' '))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&arguments, &error.to_string()))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in [&self.client, &self.server] {
            // The wire goes with them. One that was never made is no loss.
            let _ = Blocking::new("ip")
                .args(["netns", "del", name])
                .stderr(Stdio::null())
                .status();
        }
    }
}

/// Loses `percent` of the TCP packets that come into a namespace.
pub async fn lose(namespace: &str, percent: u8) -> Result<(), Error> {
    let rules = format!(
        "table inet squall {{\n chain input {{\n  type filter hook input priority 0\n  \
         meta l4proto tcp numgen random mod 100 < {percent} drop\n }}\n}}\n"
    );
    match percent {
        0 => Ok(()),
        _ => ip(&format!("netns exec {namespace} nft -f -"), &rules)
            .await
            .map(drop),
    }
}

fn check() -> Result<(), Error> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if effective != Some("0") {
        return Err(Error::NotRoot);
    }
    for (program, flag, package) in [("ip", "-V", "iproute2"), ("nft", "-v", "nftables")] {
        let ran = Blocking::new(program)
            .arg(flag)
            .stdout(Stdio::null())
            .status();
        if !ran.is_ok_and(|status| status.success()) {
            return Err(Error::Missing { program, package });
        }
    }
    Ok(())
}

fn own_program() -> Result<String, Error> {
    let path =
        std::env::current_exe().map_err(|error| failed("current_exe", &error.to_string()))?;
    match path.to_str() {
        Some(path) if !path.contains(' ') => Ok(path.to_owned()),
        _ => Err(failed("current_exe", "its path has a blank in it")),
    }
}

/// Runs `ip` with these arguments, none of which has a blank in it; its output.
async fn ip(arguments: &str, input: &str) -> Result<String, Error> {
    let run = async || -> io::Result<std::process::Output> {
        let mut child = Command::new("ip")
            .args(arguments.split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    let output = run()
        .await
        .map_err(|error| failed(arguments, &error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(
        arguments,
        &format!("{}: {}", output.status, said.trim()),
    ))
}

fn failed(arguments: &str, why: &str) -> Error {
    Error::Step {
        command: format!("ip {arguments}"),
        why: why.to_owned(),
    }
}
