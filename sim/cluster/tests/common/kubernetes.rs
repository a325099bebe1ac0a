//! Plans of manifests, played by the test programs.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use squall_cluster::kubernetes::plan::{self, Identity, Plan};
use squall_cluster::kubernetes::{Manifests, read_text};
use squall_cluster::plan::Surroundings;
use squall_host::Diagnostics;

/// Plans a text of manifests; `programs` as in a scenario.
pub(crate) fn plan_text(text: &str, programs: &[(&str, &str)]) -> Result<Plan, Diagnostics> {
    plan_manifests(&read_text("lab/all.yaml", text)?, programs, &[])
}

pub(crate) fn plan_manifests(
    manifests: &Manifests,
    programs: &[(&str, &str)],
    images: &[(&str, &str)],
) -> Result<Plan, Diagnostics> {
    let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    };
    let programs: BTreeMap<String, String> = owned(programs).into_iter().collect();
    let around = Surroundings {
        programs: &programs,
        load: &super::find,
        knows: &super::knows,
    };
    plan::plan(manifests, &around, &owned(images))
}

pub(crate) fn identity(name: &str) -> Identity {
    Identity {
        name: name.to_owned(),
        namespace: "shop".to_owned(),
        uid: "uid".to_owned(),
        hostname: name.to_owned(),
        address: Ipv4Addr::new(10, 42, 0, 9),
        node: "node-1".to_owned(),
        node_address: Ipv4Addr::new(172, 18, 0, 2),
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        annotations: BTreeMap::new(),
    }
}
