//! `invariants`: what must hold over the whole run; see `squall_check`.

use std::time::Duration;

use squall_check as check;
use squall_check::{Accounts, Clear, Counted, Counting, Invariant, Retries, Start};

use super::client::Client;
use super::duration_or;
use crate::units;
use crate::yaml::{self, Expect, Fields, Node, Problems, Value};

/// A phase, the time within which `recovers` asks for all to be well, unless said otherwise.
pub(super) const RECOVERS_WITHIN: Duration = Duration::from_secs(10);

/// How far from even a share may be for `balanced-after-recovery`, unless said otherwise.
pub(super) const BALANCE_TOLERANCE: f64 = 0.1;

/// After which `answered-within` misses an answer, unless said otherwise: what our service takes at the
/// most, and the way there and back.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(12);

/// How many calls `bounded-retries` allows for a request, unless said otherwise: the lab's six tries of two
/// reads and two writes.
pub(super) const CALLS_AT_MOST: u32 = 24;

/// What is written for a counter that begins at what is read first.
pub(super) const FIRST_READ: &str = "first-read";

pub(super) fn read_all(
    node: Option<&Node>,
    clients: &[Client],
    problems: &mut Problems,
) -> Vec<Invariant> {
    let Some(node) = node else {
        return Vec::new();
    };
    let nodes = node.expect_list("invariants", problems);
    nodes
        .iter()
        .filter_map(|node| read(node, clients, problems))
        .collect()
}

fn read(node: &Node, clients: &[Client], problems: &mut Problems) -> Option<Invariant> {
    let none = Node {
        line: node.line,
        value: Value::Map(Vec::new()),
    };
    let (name, parameters) = match (&node.value, node.text()) {
        (_, Some(name)) => (name, &none),
        (Value::Map(entries), _) if entries.len() == 1 => {
            (entries[0].0.text.as_str(), &entries[0].1)
        }
        _ => {
            let help = "write `- no-failed-request` or `- recovers: {within: 5s}`";
            problems.add(
                node.line,
                "an invariant is a name, or one name with parameters",
                help,
            );
            return None;
        }
    };
    let Some(name) = check::NAMES.into_iter().find(|known| *known == name) else {
        let help = yaml::suggestion(name, &check::NAMES);
        problems.add(node.line, format!("unknown invariant `{name}`"), help);
        return None;
    };
    let mut parameters = Parameters {
        name,
        fields: parameters.fields("the parameters of an invariant", problems)?,
        clients,
        problems,
    };
    // Nothing after a mistake: whoever reads on misses the keys that come later.
    let invariant = parameters.invariant()?;
    parameters.fields.finish(parameters.problems);
    Some(invariant)
}

/// What an invariant is about.
struct Parameters<'a> {
    name: &'static str,
    fields: Fields<'a>,
    clients: &'a [Client],
    problems: &'a mut Problems,
}

impl<'a> Parameters<'a> {
    fn invariant(&mut self) -> Option<Invariant> {
        Some(match self.name {
            check::every_request_answered::NAME => Invariant::EveryRequestAnswered,
            check::no_failed_request::NAME => Invariant::NoFailedRequest,
            check::no_server_error::NAME => Invariant::NoServerError,
            check::no_empty_success::NAME => Invariant::NoEmptySuccess,
            check::recovers::NAME => Invariant::Recovers {
                within: self.duration("within", RECOVERS_WITHIN),
            },
            check::balanced_after_recovery::NAME => Invariant::BalancedAfterRecovery {
                within: self.duration("within", RECOVERS_WITHIN),
                tolerance: self.tolerance()?,
            },
            check::no_lost_write::NAME => Invariant::NoLostWrite(self.counted()?),
            check::no_repeated_write::NAME => Invariant::NoRepeatedWrite(self.counted()?),
            check::reads_go_forward::NAME => Invariant::ReadsGoForward(self.counted()?),
            check::balances_sum_to_zero::NAME => Invariant::BalancesSumToZero(self.accounts()?),
            check::acknowledged_exactly_once::NAME => {
                Invariant::AcknowledgedExactlyOnce(self.accounts()?)
            }
            check::refused_not_at_all::NAME => Invariant::RefusedNotAtAll(self.accounts()?),
            check::unknown_at_most_once::NAME => Invariant::UnknownAtMostOnce(self.accounts()?),
            check::clear_settles::NAME => Invariant::ClearSettles(Clear {
                clear: self.keeping("clear", &Clear::default().clear)?,
                accounts: self.accounts()?,
            }),
            check::answered_within::NAME => Invariant::AnsweredWithin {
                client: self.client_or("client", &Accounts::default().transfers)?,
                deadline: self.duration("deadline", ANSWER_DEADLINE),
            },
            check::bounded_retries::NAME => Invariant::BoundedRetries(Retries {
                requests: self.client_or("requests", &Accounts::default().transfers)?,
                calls: self.calls()?,
                at_most: self.at_most()?,
            }),
            check::increments_linearizable::NAME => {
                Invariant::IncrementsLinearizable(self.counting_up()?)
            }
            check::increments_add_up::NAME => Invariant::IncrementsAddUp(self.counting_up()?),
            check::one_leader_a_term::NAME => Invariant::OneLeaderATerm,
            check::committed_kept::NAME => Invariant::CommittedKept,
            check::etcd_reads::NAME => Invariant::EtcdReads,
            check::leases_last::NAME => Invariant::LeasesLast,
            check::watch_complete::NAME => Invariant::WatchComplete,
            other => unreachable!("{other} is among the names and nobody reads it"),
        })
    }

    fn duration(&mut self, key: &'static str, default: Duration) -> Duration {
        duration_or(&mut self.fields, key, default, self.problems)
    }

    fn tolerance(&mut self) -> Option<f64> {
        let Some(node) = self.fields.take("tolerance") else {
            return Some(BALANCE_TOLERANCE);
        };
        let text = node.expect_text("tolerance", self.problems)?;
        self.problems.quantity(node.line, units::percent(text))
    }

    fn at_most(&mut self) -> Option<u32> {
        let Some(node) = self.fields.take("at_most") else {
            return Some(CALLS_AT_MOST);
        };
        let text = node.expect_text("at_most", self.problems)?;
        let number = text.parse().ok();
        if number.is_none() {
            let message = format!("`{text}` is no number of calls for one request");
            let help = format!("write for example `at_most: {CALLS_AT_MOST}`");
            self.problems.add(node.line, message, help);
        }
        number
    }

    /// The clients of a count.
    fn counted(&mut self) -> Option<Counted> {
        let line = self.fields.line;
        let (writes, reads) = (self.fields.take("writes"), self.fields.take("reads"));
        let (Some(writes), Some(reads)) = (writes, reads) else {
            let name = self.name;
            let help = format!("write `- {name}: {{writes: CLIENT, reads: CLIENT}}`");
            let message = format!("the invariant `{name}` does not say which clients it speaks of");
            self.problems.add(line, message, help);
            return None;
        };
        let writes = self.client(writes)?.name.value.clone();
        let reads = self.counting(reads)?;
        Some(Counted { writes, reads })
    }

    /// The clients of a counter. Nobody needs to read it.
    fn counting_up(&mut self) -> Option<Counting> {
        let usual = Counting::default();
        let increments = self.counting_or("increments", &usual.increments)?;
        let usual_reads = usual.reads.filter(|usual| {
            let mut clients = self.clients.iter();
            clients.any(|client| client.name.value == *usual && client.value.is_some())
        });
        let reads = match self.fields.take("reads") {
            Some(node) => Some(self.counting(node)?),
            None => usual_reads,
        };
        let from = self.start()?;
        Some(Counting {
            increments,
            reads,
            from,
        })
    }

    /// What a counter counts before anything is done.
    fn start(&mut self) -> Option<Start> {
        let Some(node) = self.fields.take("from") else {
            return Some(Counting::default().from);
        };
        let text = node.expect_text("from", self.problems)?;
        if text == FIRST_READ {
            return Some(Start::FirstRead);
        }
        let number = text.parse().ok();
        if number.is_none() {
            let message = format!("`{text}` is nothing that a counter begins at");
            let help = format!("write a number, or `from: {FIRST_READ}`");
            self.problems.add(node.line, message, help);
        }
        number.map(Start::At)
    }

    /// The clients of accounts.
    fn accounts(&mut self) -> Option<Accounts> {
        let usual = Accounts::default();
        Some(Accounts {
            transfers: self.client_or("transfers", &usual.transfers)?,
            accounts: self.keeping("accounts", &usual.accounts)?,
            settle: self.duration("settle", usual.settle),
        })
    }

    /// The clients that count calls; unless said, all whose names begin with `calls`.
    fn calls(&mut self) -> Option<Vec<String>> {
        if let Some(node) = self.fields.take("calls") {
            let nodes = match &node.value {
                Value::List(nodes) => nodes.as_slice(),
                _ => std::slice::from_ref(node),
            };
            return nodes.iter().map(|node| self.counting(node)).collect();
        }
        let names = self.clients.iter().map(|client| &client.name.value);
        let calls: Vec<String> = names
            .filter(|name| name.starts_with("calls"))
            .cloned()
            .collect();
        if calls.is_empty() {
            let message = format!(
                "the invariant `{}` has no client that counts calls",
                self.name
            );
            let help =
                "let one for each instance read its metrics, and write `calls: [CLIENT, CLIENT]`";
            self.problems.add(self.fields.line, message, help);
            return None;
        }
        Some(calls)
    }

    /// The name of a client that reads a number.
    fn counting(&mut self, node: &Node) -> Option<String> {
        let client = self.client(node)?;
        self.reading(client, node.line)
    }

    /// The name of a client that reads a number and may be told under a key.
    fn counting_or(&mut self, key: &'static str, usual: &str) -> Option<String> {
        let name = self.client_or(key, usual)?;
        let mut clients = self.clients.iter();
        let client = clients.find(|client| client.name.value == name)?;
        self.reading(client, self.fields.line)
    }

    /// The name of a client, which must read a number.
    fn reading(&mut self, client: &Client, line: u32) -> Option<String> {
        if client.value.is_none() {
            self.problems.add(
                line,
                format!("the client `{}` reads no count", client.name.value),
                "say where it is in the answer, for example `value: $.users`",
            );
            return None;
        }
        Some(client.name.value.clone())
    }

    /// The name of a client that keeps its answers.
    fn keeping(&mut self, key: &'static str, usual: &str) -> Option<String> {
        let name = self.client_or(key, usual)?;
        let keeps = |client: &&Client| client.name.value == name && client.keep_body;
        if self.clients.iter().any(|client| keeps(&client)) {
            return Some(name);
        }
        self.problems.add(
            self.fields.line,
            format!("the client `{name}` does not keep what it is answered"),
            "give it `keep_body: true`",
        );
        None
    }

    /// The name of a client that may be told under a key.
    fn client_or(&mut self, key: &'static str, usual: &str) -> Option<String> {
        if let Some(node) = self.fields.take(key) {
            return Some(self.client(node)?.name.value.clone());
        }
        if self.clients.iter().any(|client| client.name.value == usual) {
            return Some(usual.to_owned());
        }
        let message = format!(
            "the invariant `{}` speaks of a client `{usual}`, and there is none",
            self.name
        );
        let help = format!("write `- {}: {{{key}: CLIENT}}`", self.name);
        self.problems.add(self.fields.line, message, help);
        None
    }

    fn client(&mut self, node: &Node) -> Option<&'a Client> {
        let name = node.expect_text("the name of a client", self.problems)?;
        let mut clients = self.clients.iter();
        let found = clients.find(|client| client.name.value == name);
        if found.is_none() {
            let names: Vec<&str> = self.clients.iter().map(|c| c.name.value.as_str()).collect();
            let help = yaml::suggestion(name, &names);
            self.problems
                .add(node.line, format!("no client `{name}`"), help);
        }
        found
    }
}
