//! IOChaos: files that are slow, fail or lie.

use squall_fault::MachineFault;
use squall_fault::disk::{Effect, Filling, Operation, Rule};

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{self, Expect, Fields, Node, Problems};

/// The calls of FUSE that something here does, and what it is here. Code writes them in lower case,
/// the documentation in upper case; both are taken.
const METHODS: [(&str, Operation); 8] = [
    ("read", Operation::Read),
    ("write", Operation::Append),
    ("fsync", Operation::Sync),
    ("flush", Operation::Sync),
    ("rename", Operation::Rename),
    ("unlink", Operation::Remove),
    ("readdir", Operation::List),
    ("opendir", Operation::List),
];

/// The calls that nothing here does (ioChaos_types.go, `IoMethod`).
const OTHER_METHODS: [&str; 26] = [
    "lookup",
    "forget",
    "getattr",
    "setattr",
    "readlink",
    "mknod",
    "mkdir",
    "rmdir",
    "symlink",
    "link",
    "open",
    "release",
    "fsyncdir",
    "releasedir",
    "statfs",
    "setxattr",
    "getxattr",
    "listxattr",
    "removexattr",
    "access",
    "create",
    "getlk",
    "setlk",
    "bmap",
    "fallocate",
    "lseek",
];

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    const ACTIONS: [&str; 4] = ["latency", "fault", "attrOverride", "mistake"];
    let line = fields.line;
    let who = select::read(fields, context.namespace.as_ref(), true, problems);
    let lasts = lasts(fields, context, problems);
    let action_node = fields.require("action", "write `action: latency`", problems);
    let mut action = action_node.and_then(|node| node.word("action", &ACTIONS, problems));
    if action == Some("attrOverride") {
        problems.add(
            action_node.map_or(line, |node| node.line),
            "`action: attrOverride` is not honoured: files here have no attributes",
            "write `latency`, `fault` or `mistake`",
        );
        action = None;
    }
    fields.refuse(
        "attr",
        "files here have no attributes",
        "leave it out",
        problems,
    );
    let volume = fields
        .require(
            "volumePath",
            "name the mount: `volumePath: /var/lib/data`",
            problems,
        )
        .and_then(|node| node.string("volumePath", problems));
    let path = fields
        .take("path")
        .map(|node| node.string("path", problems));
    let operations = read_methods(fields.take("methods"), problems);
    let percent = fields
        .take("percent")
        .map(|node| node.integer("percent", 0, 100, problems));
    let effects = [
        ("latency", "delay", fields.take("delay")),
        ("fault", "errno", fields.take("errno")),
        ("mistake", "mistake", fields.take("mistake")),
    ];
    for (of, key, node) in &effects {
        if let (Some(node), Some(action)) = (node, action)
            && *of != action
        {
            let message = format!("`{key}` means nothing with `action: {action}`");
            problems.add(
                node.line,
                message,
                format!("leave it out, or write `action: {of}`"),
            );
        }
    }
    let (_, key, node) = effects.iter().find(|(of, ..)| Some(*of) == action)?;
    let Some(node) = node else {
        let message = format!("`action: {}` has no `{key}`", action?);
        problems.add(line, message, format!("write `{key}: …`"));
        return None;
    };
    let effect = match *key {
        "delay" => node.duration("delay", problems).map(Effect::Delay),
        "errno" => node
            .integer("errno", 1, 133, problems)
            .map(|errno| Effect::Errno(errno as i32)),
        _ => read_mistake(node, problems),
    };
    let path = match path {
        Some(path) => path?.to_owned(),
        None => format!("{}/**", volume?.trim_end_matches('/')),
    };
    let rule = Rule {
        path: Some(path),
        operations,
        probability: percent.unwrap_or(Some(100))? as f64 / 100.0,
        effect: effect?,
    };
    Some(Chaos {
        kind: "IOChaos",
        who: Who::Selected(who?),
        fault: Fault::Machine(MachineFault::Disk(vec![rule])),
        lasts,
    })
}

fn read_methods(node: Option<&Node>, problems: &mut Problems) -> Vec<Operation> {
    let mut operations = Vec::new();
    for method in select::texts(node, "methods", problems) {
        let name = method.value.to_ascii_lowercase();
        match METHODS.iter().find(|(known, _)| *known == name) {
            Some((_, operation)) if operations.contains(operation) => {}
            Some((_, operation)) => operations.push(*operation),
            None => {
                let known = METHODS.map(|(known, _)| known);
                let (message, help) = match OTHER_METHODS.contains(&name.as_str()) {
                    true => (
                        format!("the method `{name}` is not honoured: no program here calls it"),
                        format!("honoured: {}", known.join(", ")),
                    ),
                    false => (
                        format!("unknown method `{}`", method.value),
                        yaml::suggestion(&name, &known),
                    ),
                };
                problems.add(method.line, message, help);
            }
        }
    }
    operations
}

fn read_mistake(node: &Node, problems: &mut Problems) -> Option<Effect> {
    let mut fields = node.fields("spec.mistake", problems)?;
    let filling = fields
        .require("filling", "write `filling: zero` or `random`", problems)
        .and_then(|node| node.word("filling", &["zero", "random"], problems));
    let mut count = |key, help| {
        let node = fields.require(key, help, problems)?;
        node.integer(key, 1, u64::from(u32::MAX), problems)
    };
    let occurrences = count(
        "maxOccurrences",
        "say at how many places: `maxOccurrences: 1`",
    );
    let length = count("maxLength", "say how many bytes each: `maxLength: 10`");
    fields.finish(problems);
    Some(Effect::Mistake {
        filling: match filling? {
            "zero" => Filling::Zero,
            _ => Filling::Random,
        },
        occurrences_max: occurrences? as u32,
        length_max: length? as u32,
    })
}
