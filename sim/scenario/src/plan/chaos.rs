//! Fault documents, held against the system: selectors that can select nobody, names of nobody,
//! containers that are not there.

use std::collections::BTreeSet;

use squall_chaos::document::{Body, Chaos};
use squall_chaos::workflow::Step;
use squall_chaos::{Document, Fault, Member, Selection, Who};
use squall_host::{Diagnostic, Origin};

use crate::plan::Outline;
use crate::yaml::{self, Problems};

/// Complains about everything in a document that can befall nobody.
pub(super) fn check(
    document: &Document,
    outline: &Outline,
    clients: &[String],
    problems: &mut Problems,
) {
    let mut check = Check {
        document,
        outline,
        clients,
        problems,
    };
    check.body(&document.body);
}

struct Check<'a> {
    document: &'a Document,
    outline: &'a Outline,
    clients: &'a [String],
    problems: &'a mut Problems,
}

impl Check<'_> {
    fn body(&mut self, body: &Body) {
        match body {
            Body::Chaos(chaos) => self.chaos(chaos),
            Body::Schedule(schedule) => self.body(&schedule.body),
            Body::Workflow(workflow) => {
                for template in &workflow.templates {
                    if let Step::Body(body) = &template.step {
                        self.body(body);
                    }
                }
            }
        }
    }

    fn chaos(&mut self, chaos: &Chaos) {
        self.who(&chaos.who, false);
        if let Fault::Links { peers, .. } = &chaos.fault {
            for peer in peers {
                self.who(peer, true);
            }
        }
    }

    fn who(&mut self, who: &Who, with_clients: bool) {
        match who {
            Who::Selected(selection) => self.selection(selection),
            Who::Named(names) => {
                for name in names {
                    let is_client = with_clients && self.clients.contains(&name.value);
                    if !is_client && !self.is_there(&name.value) {
                        let mut known = self.outline.unit_names();
                        if with_clients {
                            known.extend(self.clients.iter().map(String::as_str));
                        }
                        let help = yaml::suggestion(&name.value, &known);
                        self.add(name.line, format!("nobody here is `{}`", name.value), help);
                    }
                }
            }
        }
    }

    /// A service, a container, or an address of one.
    fn is_there(&self, name: &str) -> bool {
        let is_address = self.outline.addresses.iter().any(|address| address == name);
        self.outline.is_target(name) || is_address
    }

    fn selection(&mut self, selection: &Selection) {
        let selector = &selection.selector;
        let known: BTreeSet<&String> = self
            .outline
            .members
            .iter()
            .flat_map(|m| &m.namespaces)
            .collect();
        let of_pods = selector.pods.iter().map(|(namespace, _)| namespace);
        let wrong: Vec<_> = selector
            .namespaces
            .iter()
            .chain(of_pods)
            .filter(|namespace| !known.contains(&namespace.value))
            .collect();
        if let Some(namespace) = wrong.first()
            && !self
                .outline
                .members
                .iter()
                .any(|member| selector.matches(member))
        {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            let help = format!("there is `{}`", known.join("` and `"));
            let message = format!("no namespace `{}`", namespace.value);
            self.add(namespace.line, message, help);
            return;
        }
        // The phase is what it is at the time.
        let mut selector = selector.clone();
        selector.phases.clear();
        let chosen: Vec<&Member> = self
            .outline
            .members
            .iter()
            .filter(|member| selector.matches(member))
            .collect();
        if chosen.is_empty() {
            let names: Vec<&str> = self
                .outline
                .members
                .iter()
                .map(|m| m.name.as_str())
                .collect();
            let labels = self.outline.words.labels;
            let help = format!("there are {}; {labels}", names.join(", "));
            self.add(
                selector.line,
                "the selector selects nobody".to_owned(),
                help,
            );
            return;
        }
        let foreign: Vec<(u32, String, String)> = selection
            .containers
            .iter()
            .filter_map(|container| {
                let without = chosen
                    .iter()
                    .find(|member| !member.containers.contains(&container.value))?;
                Some((
                    container.line,
                    format!("{} has no container `{}`", without.name, container.value),
                    format!("its only one is `{}`", without.containers.join("` or `")),
                ))
            })
            .collect();
        for (line, message, help) in foreign {
            self.add(line, message, help);
        }
    }

    fn add(&mut self, line: u32, message: String, help: String) {
        let origin = Origin::new(self.document.file.clone(), line);
        self.problems
            .push(Diagnostic::at(origin, message).help(help));
    }
}
