//! HTTP faults: an interceptor beside each machine that has rules.
//!
//! It is a process of its own in the machine's network, as Chaos Mesh's `tproxy` is in a pod's: it
//! goes on when the service is dead, paused or started again, and ends when the network goes (the
//! power is lost, or the container is gone and its network with it); with the network it comes back.
//! Redirects bring it the connections that come to the ports of its rules from elsewhere.
//!
//! | module | idea |
//! |---|---|
//! | `proxy` | listens, accepts, passes messages on |
//! | `rules` | what a rule means for a message |
//!
//! Deliberately absent: TLS, HTTP/2, upgrades (a WebSocket through an interceptor is cut off).

mod proxy;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use squall_cluster::machine::NodeId;
use squall_engine::{Control, HostId, JoinSpec, Random};
use squall_fault::http::Rule;
use tokio::sync::watch;

use proxy::Interceptor;

/// All interceptors of a world.
pub(super) struct Interceptors {
    control: Control,
    seed: u64,
    machines: Mutex<BTreeMap<NodeId, Machine>>,
}

/// A machine as its interceptor sees it.
struct Machine {
    network: watch::Sender<Network>,
    rules: Option<watch::Sender<Arc<Vec<Rule>>>>,
}

#[derive(Clone, Copy)]
struct Network {
    is_powered: bool,
    is_plugged: bool,
}

impl Interceptors {
    pub(super) fn new(control: Control, seed: u64) -> Self {
        Self {
            control,
            seed,
            machines: Mutex::default(),
        }
    }

    /// Sets a machine's rules for all messages from now on that come in over connections which are
    /// intercepted, and which connections those are that are opened from now on.
    pub(super) fn set(&self, node: NodeId, name: &str, rules: Vec<Rule>) {
        self.with(node, |machine| match &machine.rules {
            Some(sender) => drop(sender.send_replace(Arc::new(rules))),
            None if rules.is_empty() => {}
            None => {
                let (sender, receiver) = watch::channel(Arc::new(rules));
                machine.rules = Some(sender);
                let spec = JoinSpec {
                    name: format!("{name}-http"),
                    ..JoinSpec::default()
                };
                let beside = self.control.join(HostId(node.0), spec);
                let random = Random::new(self.seed, &format!("http {name}"));
                let interceptor = Interceptor {
                    control: self.control.clone(),
                    machine: HostId(node.0),
                    rules: receiver,
                    random: Arc::new(Mutex::new(random)),
                };
                let network = machine.network.subscribe();
                let control = self.control.clone();
                tokio::spawn(supervise(control, beside, interceptor, network));
            }
        });
    }

    pub(super) fn set_power(&self, node: NodeId, on: bool) {
        self.with(node, |machine| {
            machine
                .network
                .send_modify(|network| network.is_powered = on)
        });
    }

    pub(super) fn plug(&self, node: NodeId, plugged: bool) {
        self.with(node, |machine| {
            machine
                .network
                .send_modify(|network| network.is_plugged = plugged)
        });
    }

    fn with(&self, node: NodeId, f: impl FnOnce(&mut Machine)) {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        f(machines.entry(node).or_insert_with(|| Machine {
            network: watch::Sender::new(Network {
                is_powered: true,
                is_plugged: true,
            }),
            rules: None,
        }));
    }
}

/// Starts the interceptor whenever there is a network that has none.
async fn supervise(
    control: Control,
    beside: HostId,
    interceptor: Interceptor,
    mut network: watch::Receiver<Network>,
) {
    loop {
        let is_there = |network: &Network| network.is_powered && network.is_plugged;
        if network.wait_for(is_there).await.is_err() {
            return; // the world is gone
        }
        let interceptor = interceptor.clone();
        control.start(beside, move |host, _| Box::pin(interceptor.run(host)));
        control.exit(beside).await;
    }
}
