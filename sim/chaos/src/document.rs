//! One document: what it is called, and what it does to whom.

use std::sync::Arc;
use std::time::Duration;

use squall_fault::{LinkFault, MachineFault};
use squall_host::{Diagnostic, Diagnostics, Origin};

use crate::kinds;
use crate::schedule::{self, Schedule};
use crate::select::Who;
use crate::workflow::{self, Workflow};
use crate::yaml::{self, Expect, Fields, Located, Node, Problems, Value};

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The file that it is in.
    pub file: Arc<str>,
    /// Where in it.
    pub line: u32,
    /// `kind`.
    pub kind: &'static str,
    /// `metadata.name`.
    pub name: String,
    /// What it says.
    pub body: Body,
    /// What in it is probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// What a document says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// One fault.
    Chaos(Arc<Chaos>),
    /// The same again and again.
    Schedule(Schedule),
    /// Several in an order.
    Workflow(Workflow),
}

/// One fault, and whom it befalls.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// The document's `kind`.
    pub kind: &'static str,
    /// Whom it befalls.
    pub who: Who,
    /// What befalls them.
    pub fault: Fault,
    /// How long; `None` for until it is taken away, or for what is over at once.
    pub lasts: Option<Duration>,
}

/// What befalls those that are chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The pod is deleted with this grace period, and its controller starts another.
    Kill {
        /// Between SIGTERM and SIGKILL; SIGKILL at once when it is zero.
        grace: Duration,
    },
    /// Another image runs in the pod: its address stays, and nobody listens.
    Fail,
    /// A container is killed, and the kubelet starts it again.
    KillContainer,
    /// Links of the pod.
    Links {
        /// Which way packets go that are concerned.
        direction: Direction,
        /// The other ends; empty for everybody.
        peers: Vec<Who>,
        /// What is wrong.
        faults: Vec<LinkFault>,
    },
    /// The machine that the pod has to itself.
    Machine(MachineFault),
}

impl Fault {
    /// Whether it is over as soon as it is done (Chaos Mesh's `IsOneShot`).
    pub fn is_at_once(&self) -> bool {
        matches!(self, Self::Kill { .. } | Self::KillContainer)
    }
}

/// Which packets of a link are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From those that are chosen to the peers.
    To,
    /// From the peers to those that are chosen.
    From,
    /// All.
    Both,
}

/// The group and version of Chaos Mesh's documents.
const CHAOS_MESH: &str = "chaos-mesh.org/v1alpha1";

/// Those of Istio's.
const ISTIO: [&str; 3] = [
    "networking.istio.io/v1",
    "networking.istio.io/v1beta1",
    "networking.istio.io/v1alpha3",
];

/// Kinds that are honoured.
pub const HONOURED: [&str; 10] = [
    "PodChaos",
    "NetworkChaos",
    "StressChaos",
    "IOChaos",
    "TimeChaos",
    "HTTPChaos",
    "DNSChaos",
    "Schedule",
    "Workflow",
    "VirtualService",
];

/// Kinds that Chaos Mesh has beside them, and why they are refused.
const REFUSED: [(&str, &str); 9] = [
    ("KernelChaos", "there is no kernel to break here"),
    ("JVMChaos", "no program here runs on a JVM"),
    ("AWSChaos", "there is no cloud here"),
    ("GCPChaos", "there is no cloud here"),
    ("AzureChaos", "there is no cloud here"),
    (
        "BlockChaos",
        "there are no block devices here; IOChaos slows files down",
    ),
    (
        "PhysicalMachineChaos",
        "there are no machines outside the system",
    ),
    (
        "StatusCheck",
        "a scenario says what must hold in `expect` and `invariants`",
    ),
    ("RemoteCluster", "there is one cluster"),
];

/// Whether a text looks like one of these documents: YAML whose first document names a group and
/// version of theirs.
pub fn is_chaos(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.strip_prefix("apiVersion:"))
        .next()
        .is_some_and(|version| {
            let version = version.trim().trim_matches(['"', '\'']);
            version.starts_with("chaos-mesh.org/") || version.starts_with("networking.istio.io/")
        })
}

/// Reads all documents of a file; every mistake in them is reported, not only the first.
///
/// # Errors
/// What is wrong, with its lines.
pub fn read(file: &Arc<str>, text: &str) -> Result<Vec<Document>, Diagnostics> {
    let nodes = yaml::parse_all(file, text)?;
    let mut problems = Problems::new(file.clone());
    let mut documents = Vec::new();
    let mut is_empty = true;
    for node in nodes.iter().filter(|node| node.value != Value::Null) {
        is_empty = false;
        documents.extend(read_node(node, &mut problems));
    }
    if is_empty {
        let message = "there is no document in the file";
        problems.push(
            Diagnostic::at(Origin::new(file.clone(), 0), message)
                .help("write a Chaos Mesh document: `apiVersion: chaos-mesh.org/v1alpha1` …"),
        );
    }
    problems.finish(Some(documents))
}

/// Reads one document.
pub fn read_node(node: &Node, problems: &mut Problems) -> Option<Document> {
    let mistakes = problems.count();
    let mut fields = node.fields("the document", problems)?;
    let version = fields
        .require(
            "apiVersion",
            "write `apiVersion: chaos-mesh.org/v1alpha1`",
            problems,
        )
        .and_then(|node| Some((node.line, node.expect_text("apiVersion", problems)?)));
    let kind = fields
        .require("kind", "write for example `kind: PodChaos`", problems)
        .and_then(|node| read_kind(node, problems));
    let metadata = fields
        .require(
            "metadata",
            "give it a name: `metadata: {name: NAME}`",
            problems,
        )
        .and_then(|node| read_metadata(node, problems));
    let spec = fields.require("spec", "say what is broken, under `spec:`", problems);
    fields.refuse(
        "status",
        "it is what a controller writes",
        "leave it out",
        problems,
    );
    let (version_line, version) = version?;
    let kind = kind?;
    let is_istio = kind == "VirtualService";
    let is_right = match is_istio {
        true => ISTIO.contains(&version),
        false => version == CHAOS_MESH,
    };
    if !is_right {
        let right = if is_istio { ISTIO[0] } else { CHAOS_MESH };
        let message = format!("`apiVersion: {version}` has no kind {kind} that is known here");
        problems.add(
            version_line,
            message,
            format!("write `apiVersion: {right}`"),
        );
    }
    fields.finish(problems);
    let context = Context {
        namespace: metadata
            .as_ref()
            .and_then(|(_, namespace)| namespace.clone()),
        place: Place::Document,
    };
    let body = read_spec(kind, spec?, &context, problems);
    let warnings = problems.take_warnings();
    if problems.count() > mistakes {
        return None;
    }
    Some(Document {
        file: problems.file().clone(),
        line: node.line,
        kind,
        name: metadata?.0,
        body: body?,
        warnings,
    })
}

fn read_spec(
    kind: &'static str,
    spec: &Node,
    context: &Context,
    problems: &mut Problems,
) -> Option<Body> {
    match kind {
        "Schedule" => schedule::read(spec, context, problems).map(Body::Schedule),
        "Workflow" => workflow::read(spec, context, problems).map(Body::Workflow),
        "VirtualService" => kinds::istio::read(spec, problems)
            .map(Arc::new)
            .map(Body::Chaos),
        _ => kinds::read(kind, spec, context, problems).map(Body::Chaos),
    }
}

fn read_kind(node: &Node, problems: &mut Problems) -> Option<&'static str> {
    let text = node.expect_text("kind", problems)?;
    if let Some(kind) = HONOURED.iter().find(|kind| **kind == text) {
        return Some(kind);
    }
    match REFUSED.iter().find(|(kind, _)| *kind == text) {
        Some((kind, why)) => {
            let help = format!("honoured: {}", HONOURED.join(", "));
            problems.add(node.line, format!("`{kind}` is not honoured: {why}"), help);
        }
        None => {
            let help = yaml::suggestion(text, &HONOURED);
            problems.add(node.line, format!("unknown kind `{text}`"), help);
        }
    }
    None
}

/// The name and the namespace.
fn read_metadata(
    node: &Node,
    problems: &mut Problems,
) -> Option<(String, Option<Located<String>>)> {
    const PAUSE: &str = "experiment.chaos-mesh.org/pause";
    let mut fields = node.fields("metadata", problems)?;
    let name = fields
        .require(
            "name",
            "reports call it by its name: `name: NAME`",
            problems,
        )
        .and_then(|node| node.expect_text("name", problems));
    let namespace = fields.take("namespace").and_then(|node| {
        let value = node.expect_text("namespace", problems)?.to_owned();
        Some(Located {
            line: node.line,
            value,
        })
    });
    if let Some(node) = fields.take("annotations") {
        for (key, value) in node.expect_map("annotations", problems) {
            if key.text == PAUSE && value.text() == Some("true") {
                let message = format!("`{PAUSE}` keeps this from ever being injected");
                problems.add(key.line, message, "leave the annotation out");
            }
        }
    }
    // Labels are for those who look for the document.
    fields.take("labels");
    fields.finish(problems);
    Some((name?.to_owned(), namespace))
}

/// What a spec is read with.
pub(crate) struct Context {
    /// The document's namespace, in which a selector looks that names none.
    pub(crate) namespace: Option<Located<String>>,
    pub(crate) place: Place,
}

/// Where a spec stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Document,
    Schedule,
    Workflow,
}

/// `duration`, where it is allowed; `None` beside a mistake as well.
pub(crate) fn lasts(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Duration> {
    use crate::quantity::Typed;
    let node = fields.take("duration")?;
    if context.place == Place::Workflow {
        problems.add(
            node.line,
            "`duration` is not looked at in a Workflow's template",
            "write `deadline` beside `templateType` instead",
        );
        return None;
    }
    let lasts = node.duration("duration", problems)?;
    if lasts.is_zero() {
        problems.add(node.line, "duration is nothing", "write for example 30s");
    }
    Some(lasts)
}
