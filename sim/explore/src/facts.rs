//! What a search needs to know about a system: which services there are, how many containers of
//! each, and who works with whom.

use squall_scenario::Plan;

/// A system, as far as a search needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order of the manifest.
    pub services: Vec<Service>,
    /// Whether its containers share machines with others, so that none can lose its power alone.
    pub shares_machines: bool,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What a step calls each of its containers.
    pub containers: Vec<String>,
    /// The services that it depends on, and that depend on it; not itself.
    pub peers: Vec<String>,
}

impl Facts {
    /// The facts of a planned system.
    pub fn of(plan: &Plan) -> Self {
        let units = plan.outline.units.iter();
        let services = units.map(|unit| Service {
            name: unit.name.clone(),
            containers: unit.pods.clone(),
            peers: unit.peers.clone(),
        });
        Self {
            services: services.collect(),
            shares_machines: !plan.outline.nodes.is_empty(),
        }
    }
}
