//! Workflow: faults beside and after each other.

use std::sync::Arc;
use std::time::Duration;

use crate::document::{Body, Context, Place};
use crate::kinds::{self, KINDS};
use crate::quantity::Typed;
use crate::schedule;
use crate::select;
use crate::yaml::{self, Expect, Fields, Located, Node, Problems};

/// A Workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Workflow {
    /// The template that it starts with.
    pub entry: usize,
    /// All of them; each may be used several times.
    pub templates: Vec<Template>,
}

/// One template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// It is over after so long at the latest.
    pub deadline: Option<Duration>,
    /// What it does.
    pub step: Step,
}

/// What a template does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing, until its deadline.
    Suspend,
    /// These, each when the one before is over.
    Serial(Vec<usize>),
    /// These at once.
    Parallel(Vec<usize>),
    /// A fault or a schedule, until its deadline.
    Body(Arc<Body>),
}

pub(crate) fn read(spec: &Node, context: &Context, problems: &mut Problems) -> Option<Workflow> {
    let mut fields = spec.fields("spec", problems)?;
    let entry = fields.require("entry", "name the first template: `entry: NAME`", problems);
    let entry = entry.and_then(|node| {
        let value = node.string("entry", problems)?.to_owned();
        Some(Located {
            line: node.line,
            value,
        })
    });
    let templates = fields.require(
        "templates",
        "write `templates: [{name: NAME, …}]`",
        problems,
    );
    fields.finish(problems);
    let nodes = templates?.expect_list("templates", problems);
    let mut drafts: Vec<Draft> = Vec::new();
    for node in nodes {
        let Some(draft) = read_template(node, context, problems) else {
            continue;
        };
        if drafts.iter().any(|known| known.name == draft.name) {
            let message = format!("a second template `{}`", draft.name);
            problems.add(draft.line, message, "give each a name of its own");
        }
        drafts.push(draft);
    }
    let find = |name: &Located<String>, problems: &mut Problems| {
        let found = drafts.iter().position(|draft| draft.name == name.value);
        if found.is_none() {
            let known: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
            let help = yaml::suggestion(&name.value, &known);
            problems.add(name.line, format!("no template `{}`", name.value), help);
        }
        found
    };
    let entry = find(&entry?, problems);
    let mut resolved = Vec::new();
    for draft in &drafts {
        let children: Vec<usize> = draft
            .children
            .iter()
            .filter_map(|child| find(child, problems))
            .collect();
        let step = match &draft.kind {
            Kind::Suspend => Step::Suspend,
            Kind::Serial => Step::Serial(children),
            Kind::Parallel => Step::Parallel(children),
            Kind::Body(body) => Step::Body(body.clone()),
        };
        resolved.push(Template {
            name: draft.name.clone(),
            deadline: draft.deadline,
            step,
        });
    }
    if !problems.is_empty() {
        return None;
    }
    let workflow = Workflow {
        entry: entry?,
        templates: resolved,
    };
    check_circles(&workflow, &drafts, problems);
    check_ends(&workflow, &drafts, problems);
    problems.is_empty().then_some(workflow)
}

/// A template whose children are not looked up yet.
struct Draft {
    line: u32,
    name: String,
    deadline: Option<Duration>,
    kind: Kind,
    children: Vec<Located<String>>,
}

enum Kind {
    Suspend,
    Serial,
    Parallel,
    Body(Arc<Body>),
}

fn read_template(node: &Node, context: &Context, problems: &mut Problems) -> Option<Draft> {
    let mut fields = node.fields("a template", problems)?;
    let name = fields
        .require("name", "give it a name: `name: NAME`", problems)
        .and_then(|node| node.string("name", problems));
    let deadline_node = fields.take("deadline");
    let deadline = deadline_node.and_then(|node| node.duration("deadline", problems));
    if let Some(node) = fields.take("duration") {
        let message = "unknown key `duration` in a template";
        problems.add(node.line, message, "a template's end is its `deadline`");
    }
    let nobody = "a run's course is known before it begins";
    let help = "write `expect` in the scenario's phases instead";
    for key in ["conditionalBranches", "statusCheck", "abortWithStatusCheck"] {
        fields.refuse(key, nobody, help, problems);
    }
    fields.refuse("task", "there are no containers for tasks", help, problems);
    let children = select::texts(fields.take("children"), "children", problems);
    let kind_node = fields.require("templateType", "write `templateType: Serial`", problems);
    let kind = kind_node.and_then(|node| read_kind(node, problems));
    let body = read_body(&mut fields, kind, context, problems);
    fields.finish(problems);
    let (name, kind, kind_node) = (name?, kind?, kind_node?);
    let needs = |what: &str, problems: &mut Problems| {
        let message = format!("`templateType: {kind}` has no `{what}`");
        problems.add(kind_node.line, message, format!("write `{what}: …`"));
    };
    let read = match kind {
        "Suspend" => {
            if deadline_node.is_none() {
                needs("deadline", problems);
            }
            Kind::Suspend
        }
        "Serial" | "Parallel" => {
            if children.is_empty() {
                needs("children", problems);
            }
            match kind {
                "Serial" => Kind::Serial,
                _ => Kind::Parallel,
            }
        }
        _ => Kind::Body(Arc::new(body?)),
    };
    if let (Kind::Suspend | Kind::Body(_), Some(child)) = (&read, children.first()) {
        let message = format!("`templateType: {kind}` has no children");
        problems.add(
            child.line,
            message,
            "write `Serial` or `Parallel`, or leave them out",
        );
    }
    Some(Draft {
        line: node.line,
        name: name.to_owned(),
        deadline,
        kind: read,
        children,
    })
}

fn read_kind(node: &Node, problems: &mut Problems) -> Option<&'static str> {
    let mut known = vec!["Serial", "Parallel", "Suspend", "Schedule"];
    known.extend(KINDS.iter().map(|(kind, ..)| kind));
    if let Some(refused @ ("Task" | "StatusCheck")) = node.text() {
        problems.add(
            node.line,
            format!("`templateType: {refused}` is not honoured: a run's course is known before it begins"),
            "write `expect` in the scenario's phases instead",
        );
        return None;
    }
    node.word("templateType", &known, problems)
}

/// The fault or the schedule of a template that is one.
fn read_body(
    fields: &mut Fields<'_>,
    kind: Option<&'static str>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Body> {
    let line = fields.line;
    let keys = KINDS
        .iter()
        .map(|(of, key, _)| (*of, *key))
        .chain([("Schedule", "schedule")]);
    let mut body = None;
    for (of, key) in keys {
        let node = fields.take(key);
        match (node, kind == Some(of)) {
            (None, true) => {
                let message = format!("`templateType: {of}` has no `{key}`");
                problems.add(line, message, format!("write `{key}: …`"));
            }
            (Some(node), false) if kind.is_some() => {
                let message = format!("`{key}` is not of the type that the template has");
                problems.add(node.line, message, format!("write `templateType: {of}`"));
            }
            (Some(node), true) => {
                let place = match of {
                    "Schedule" => Place::Schedule,
                    _ => Place::Workflow,
                };
                let context = Context {
                    namespace: context.namespace.clone(),
                    place,
                };
                body = match of {
                    "Schedule" => schedule::read(node, &context, problems).map(Body::Schedule),
                    _ => kinds::read(of, node, &context, problems).map(Body::Chaos),
                };
            }
            _ => {}
        }
    }
    body
}

fn children(template: &Template) -> &[usize] {
    match &template.step {
        Step::Serial(children) | Step::Parallel(children) => children,
        Step::Suspend | Step::Body(_) => &[],
    }
}

/// A template that contains itself never ends.
fn check_circles(workflow: &Workflow, drafts: &[Draft], problems: &mut Problems) {
    // What can be taken away because all of its children are gone is in no circle.
    let mut is_sound = vec![false; workflow.templates.len()];
    loop {
        let mut changed = false;
        for (at, template) in workflow.templates.iter().enumerate() {
            if !is_sound[at] && children(template).iter().all(|child| is_sound[*child]) {
                is_sound[at] = true;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for (draft, _) in drafts
        .iter()
        .zip(is_sound)
        .filter(|(_, is_sound)| !is_sound)
    {
        let message = format!("the template `{}` contains itself", draft.name);
        problems.add(draft.line, message, "leave it out of its own children");
    }
}

/// What comes after something that never ends would never come.
fn check_ends(workflow: &Workflow, drafts: &[Draft], problems: &mut Problems) {
    for template in &workflow.templates {
        let Step::Serial(children) = &template.step else {
            continue;
        };
        let before_last = children.split_last().map_or(&[][..], |(_, before)| before);
        for child in before_last {
            let is_open = matches!(workflow.templates[*child].step, Step::Body(_));
            if is_open && workflow.templates[*child].deadline.is_none() {
                let draft = &drafts[*child];
                problems.add(
                    draft.line,
                    format!(
                        "`{}` has no deadline, so what follows it never begins",
                        draft.name
                    ),
                    "write `deadline: 30s`",
                );
            }
        }
    }
}
