//! The fields of each kind of fault: read, or refused with a reason.
//!
//! Sources: `api/v1alpha1/*_types.go` and `*_webhook.go` of chaos-mesh/chaos-mesh, the pages
//! "Simulate … Faults" of its website, and Istio's `virtual_service.proto`.

mod dns;
mod http;
mod io;
pub(crate) mod istio;
mod network;
mod pod;
mod stress;
mod time;

use std::sync::Arc;

use crate::document::{Chaos, Context};
use crate::yaml::{Expect, Fields, Node, Problems};

/// Reads the fields of a spec; all of them are taken.
type Reader = fn(&mut Fields<'_>, &Context, &mut Problems) -> Option<Chaos>;

/// Each kind, its key inside a Schedule or a Workflow, and its reader.
pub(crate) const KINDS: [(&str, &str, Reader); 7] = [
    ("PodChaos", "podChaos", pod::read),
    ("NetworkChaos", "networkChaos", network::read),
    ("StressChaos", "stressChaos", stress::read),
    ("IOChaos", "ioChaos", io::read),
    ("TimeChaos", "timeChaos", time::read),
    ("HTTPChaos", "httpChaos", http::read),
    ("DNSChaos", "dnsChaos", dns::read),
];

/// Reads the spec of one of [`KINDS`].
pub(crate) fn read(
    kind: &str,
    spec: &Node,
    context: &Context,
    problems: &mut Problems,
) -> Option<Arc<Chaos>> {
    let (_, _, reader) = KINDS.iter().find(|(name, ..)| *name == kind)?;
    let mut fields = spec.fields("spec", problems)?;
    fields.refuse(
        "scheduler",
        "it belongs to Chaos Mesh 1",
        "write a document of `kind: Schedule`",
        problems,
    );
    fields.refuse(
        "remoteCluster",
        "there is one cluster",
        "leave it out",
        problems,
    );
    let chaos = reader(&mut fields, context, problems);
    fields.finish(problems);
    chaos.map(Arc::new)
}
