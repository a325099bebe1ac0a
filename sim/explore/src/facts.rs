//! What a search needs to know about a system: which services there are, how many containers of
//! each, and who works with whom.

use squall_scenario::Plan;

/// A system, as far as a search needs to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// In the order of the manifest.
    pub services: Vec<Service>,
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
    /// The facts of a planned system. Who works with whom follows from `depends_on` and from the
    /// names that programs must resolve to start.
    pub fn of(plan: &Plan) -> Self {
        let cluster = &plan.cluster;
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for service in &cluster.services {
            let wanted = service.depends_on.iter().map(|d| d.value.service.as_str());
            pairs.extend(wanted.map(|wanted| (service.name.as_str(), wanted)));
        }
        for container in &cluster.containers {
            for (name, _) in &container.loaded.facts.names_required {
                let mut others = cluster.containers.iter();
                if let Some(found) = others.find(|other| other.names.contains(name)) {
                    pairs.push((&container.service.name, &found.service.name));
                }
            }
        }
        let services = cluster.services.iter().map(|service| {
            let name = service.name.as_str();
            let of = cluster.containers.iter();
            let of: Vec<u32> = of
                .filter(|c| c.service.name == name)
                .map(|c| c.number)
                .collect();
            let containers = match of.as_slice() {
                [_] => vec![name.to_owned()],
                several => several
                    .iter()
                    .map(|number| format!("{name}-{number}"))
                    .collect(),
            };
            let peers = cluster.services.iter().map(|other| other.name.as_str());
            let peers = peers.filter(|other| {
                *other != name && (pairs.contains(&(name, other)) || pairs.contains(&(other, name)))
            });
            Service {
                name: name.to_owned(),
                containers,
                peers: peers.map(str::to_owned).collect(),
            }
        });
        Self {
            services: services.collect(),
        }
    }
}
