//! Arbitrary scenarios, as good as those that can be read from a file. Services and programs are
//! made up, so most of them cannot be planned.
//!
//! Shared by the tests of `squall-scenario` and of `squall-explore`.
#![allow(
    dead_code,
    reason = "not every test that includes this needs all of it"
)]

mod act;
mod fault;

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use squall_check::{Accounts, Clear, Counted, Counting, Invariant, Retries, Start};
use squall_cluster::kubernetes::Parameters;
use squall_record::Verdict;
use squall_scenario::Scenario;
use squall_scenario::file::explore::{Budget, KINDS, Kind};
use squall_scenario::file::{
    Act, Client, Cpu, Draws, Expectation, Extract, Forward, Kubernetes, Length, Load, Located,
    Manifests, Pace, Phase, Quantity, Role, Run, Served, Step, System, Url, Values, Variable, Who,
};
use squall_scenario::units::{self, Comparison};

/// Any scenario; every line is 0.
pub(crate) fn scenario() -> impl Strategy<Value = Scenario> {
    vec(client(), 0..3).prop_flat_map(|mut clients| {
        for (number, client) in clients.iter_mut().enumerate() {
            client.name.value.push_str(&number.to_string());
        }
        let names = clients.iter().map(|client| client.name.value.clone());
        let phases = vec(phase(names.collect()), 1..4);
        let about = option::of(prop_oneof![
            "[A-Za-z,.:#'\"-]{1,9}( [A-Za-z,.:#'\"-]{1,9}){0,30}",
            "\\PC{1,40}",
            "[a-z \\n]{1,40}",
        ]);
        let head = (
            text(),
            about,
            option::of(any::<u64>()),
            (0..3_usize, vec(name(), 0..3)),
            system(),
            (
                fault::network_link(),
                vec(fault::normal(), 0..2),
                cpu(),
                roles(),
            ),
        );
        let invariants = vec(invariant(&clients), 0..3);
        (head, Just(clients), phases, invariants).prop_map(
            |(
                (name, about, seed, (verdict, fails), system, (network, links, cpu, roles)),
                clients,
                phases,
                invariants,
            )| {
                let about = about.map(|about| about.trim().to_owned());
                // What a link has beyond the network's can be said, not that it lacks it.
                let links = links.into_iter().map(|mut normal| {
                    normal.link.rate = normal.link.rate.or(network.rate);
                    normal
                });
                let links = links.collect();
                let phases = phases.into_iter().map(|one| counted(one, &clients));
                let phases = phases.collect();
                Scenario {
                    file: "x.yaml".into(),
                    name: name.trim().to_owned(),
                    about: about.filter(|about| !about.is_empty()),
                    seed,
                    verdict: match fails.is_empty() {
                        true => [Verdict::Passed, Verdict::Failed, Verdict::Unknown][verdict],
                        false => Verdict::Failed,
                    },
                    fails,
                    system,
                    network,
                    links,
                    cpu,
                    clients,
                    roles,
                    phases,
                    invariants,
                }
            },
        )
    })
}

/// A leader, and who is not.
fn roles() -> impl Strategy<Value = Vec<Role>> {
    let leader = ("[a-z]{1,5}", vec(name(), 1..3), text(), any::<bool>());
    option::of(leader).prop_map(|leader| {
        let Some((name, of, said, with_other)) = leader else {
            return Vec::new();
        };
        let located = |value| Located { line: 0, value };
        let other = Role {
            name: located(format!("not-{name}")),
            of: of.clone(),
            who: Who::Not(located(name.clone())),
        };
        let leader = Role {
            name: located(name),
            of,
            who: Who::LastSaid(said),
        };
        [Some(leader), with_other.then_some(other)]
            .into_iter()
            .flatten()
            .collect()
    })
}

/// In a phase of so many requests somebody sends, and everybody in a closed loop.
fn counted(mut phase: Phase, clients: &[Client]) -> Phase {
    if let Length::Requests(count) = phase.length {
        let pause = Duration::from_millis(u64::from(count));
        let load = Load::Pace(Pace::Closed { pause });
        let clients = clients.iter().map(|client| client.name.value.clone());
        phase.load = clients.map(|name| (name, load)).collect();
        if phase.load.is_empty() {
            phase.length = Length::For(pause);
        }
    }
    phase
}

/// The scenario with every line 0.
pub(crate) fn without_lines(mut scenario: Scenario) -> Scenario {
    for normal in &mut scenario.links {
        normal.line = 0;
        act::anywhere(&mut normal.links);
    }
    let nowhere = |name: &mut Located<String>| name.line = 0;
    scenario.fails.iter_mut().for_each(nowhere);
    let system = &mut scenario.system;
    system.manifests.paths_mut().iter_mut().for_each(nowhere);
    if let Manifests::Kubernetes(kubernetes) = &mut system.manifests {
        kubernetes.namespace.iter_mut().for_each(nowhere);
        kubernetes
            .forward
            .iter_mut()
            .for_each(|one| nowhere(&mut one.to));
    }
    system.programs.values_mut().for_each(nowhere);
    system.without.iter_mut().for_each(nowhere);
    system
        .scale
        .values_mut()
        .for_each(|replicas| replicas.line = 0);
    for client in &mut scenario.clients {
        client.name.line = 0;
        client.url.line = 0;
    }
    for role in &mut scenario.roles {
        nowhere(&mut role.name);
        role.of.iter_mut().for_each(nowhere);
        if let Who::Not(other) = &mut role.who {
            nowhere(other);
        }
    }
    for phase in &mut scenario.phases {
        phase.name.line = 0;
        if let Length::Rollout { of, .. } = &mut phase.length {
            nowhere(of);
        }
        for step in &mut phase.steps {
            step.line = 0;
            act::without_lines(&mut step.act);
        }
        if let Some(budget) = &mut phase.explore {
            budget.services.iter_mut().for_each(nowhere);
            budget.alive.iter_mut().for_each(|(name, _)| nowhere(name));
        }
        for expectation in &mut phase.expect {
            expectation.line = 0;
            match &mut expectation.of {
                Quantity::Share(_, name, _) => nowhere(name),
                Quantity::Only(_, all) => all.iter_mut().for_each(nowhere),
                Quantity::Sequence(runs) => {
                    for run in runs {
                        run.backend.iter_mut().for_each(nowhere);
                        run.database.iter_mut().for_each(nowhere);
                    }
                }
                _ => {}
            }
        }
    }
    scenario
}

/// What a file can hold: not blank.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-z][a-z0-9-]{0,7}",
        1 => "[a-z]{1,3}[ :#,{}\\[\\]'\"&*!|>%@`-]{1,3}[a-z0-9]{0,3}",
        1 => "\\PC{1,10}",
    ]
    .prop_filter("blank", |text| !text.trim().is_empty())
}

fn name() -> impl Strategy<Value = Located<String>> {
    text().prop_map(|value| Located { line: 0, value })
}

fn millis(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn fraction() -> impl Strategy<Value = f64> {
    (0..=1000_u32).prop_map(|n| units::percent(&format!("{}%", f64::from(n) / 10.0)).unwrap())
}

fn system() -> impl Strategy<Value = System> {
    let scale = btree_map(
        text(),
        (1..9_u32).prop_map(|value| Located { line: 0, value }),
        0..2,
    );
    (
        manifests(),
        btree_map(text(), text(), 0..3),
        vec(text(), 0..3),
        btree_map(text(), name(), 0..3),
        prop_oneof![Just(Duration::from_secs(120)), millis(0..100_000)],
        vec(name(), 0..3),
        scale,
    )
        .prop_map(
            |(manifests, environment, profiles, programs, up_within, without, scale)| {
                let is_compose = matches!(manifests, Manifests::Compose(_));
                System {
                    manifests,
                    environment: environment.into_iter().filter(|_| is_compose).collect(),
                    profiles: profiles.into_iter().filter(|_| is_compose).collect(),
                    programs,
                    up_within,
                    without,
                    scale,
                }
            },
        )
}

fn manifests() -> impl Strategy<Value = Manifests> {
    let to = name().prop_map(|mut name| {
        name.value = name.value.trim().to_owned();
        name
    });
    let forward = (1..=u16::MAX, to, 1..=u16::MAX);
    let forward = forward.prop_map(|(port, to, to_port)| Forward { port, to, to_port });
    let forward = vec(forward, 0..3).prop_map(|mut all| {
        all.sort_by_key(|one| one.port);
        all.dedup_by_key(|one| one.port);
        all
    });
    let nodes = prop_oneof![
        Just(Parameters::default().nodes),
        Just(vec!["server-0".to_owned(), "agent-0".to_owned()]),
        vec("[a-z]{1,4}|[0-9]{1,2}", 1..3).prop_map(|mut names| {
            names.dedup();
            names
        }),
    ];
    let delays = (millis(0..9_000), millis(0..9_000), 0..9_u32, any::<bool>());
    let parameters = (nodes, delays).prop_map(
        |(nodes, (watch, eviction, dns_ttl_s, dns_cache))| Parameters {
            nodes,
            watch,
            eviction,
            dns_ttl_s,
            dns_cache,
            spread_percent: dns_ttl_s as u8 * 11,
            ..Parameters::default()
        },
    );
    let kubernetes = (vec(name(), 1..3), forward, parameters, option::of(name()));
    prop_oneof![
        name().prop_map(Manifests::Compose),
        kubernetes.prop_map(|(paths, forward, parameters, namespace)| {
            Manifests::Kubernetes(Box::new(Kubernetes {
                paths,
                forward,
                parameters,
                namespace,
            }))
        }),
    ]
}

fn cpu() -> impl Strategy<Value = Cpu> {
    (millis(0..3), 1..5_u32).prop_map(|(poll, cores)| Cpu { poll, cores })
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![
        (1_000..1_000_000_000_u64).prop_map(|ns| Pace::Open {
            period: Duration::from_nanos(ns)
        }),
        millis(1..10_000).prop_map(|pause| Pace::Closed { pause }),
    ]
}

fn extract() -> impl Strategy<Value = Extract> {
    prop_oneof![
        Just(Extract::Header(HeaderName::from_static("x-upstream-addr"))),
        ("[a-z_]{1,6}", vec("[a-z_]{1,6}|[0-9]{1,3}", 0..3))
            .prop_map(|(first, rest)| { Extract::Json([first].into_iter().chain(rest).collect()) }),
        "[a-z =]{1,5}\\([0-9]\\)".prop_map(|text| Extract::Text(text.trim().to_owned())),
    ]
}

/// A client; one that draws uses all that it draws.
fn client() -> impl Strategy<Value = Client> {
    (
        steady_client(),
        prop_oneof![Just(Draws::default()), draws()],
    )
        .prop_map(|(mut client, draws)| {
            for (number, variable) in draws.variables.iter().enumerate() {
                let place = format!("${{{}}}", variable.name);
                match (&variable.values, number % 3) {
                    (Values::Range(..), 0) => client.url.value.path.push_str(&place),
                    (Values::Range(..), 1) => client.headers.push((
                        HeaderName::try_from(format!("drawn-{number}")).unwrap(),
                        HeaderValue::try_from(place).unwrap(),
                    )),
                    _ => client.body.push_str(&place),
                }
            }
            Client { draws, ..client }
        })
}

fn draws() -> impl Strategy<Value = Draws> {
    let values = prop_oneof![
        (any::<i64>(), 1..100_i64).prop_map(|(low, more)| Values::Range(
            low.min(i64::MAX - more),
            low.saturating_add(more)
        )),
        vec(text(), 1..4).prop_map(Values::Texts),
    ];
    let variables = btree_map("[a-z_][A-Z0-9]{0,2}", values, 1..4);
    (variables, any::<bool>()).prop_map(|(variables, differ)| {
        let variables = variables.into_iter();
        let variables = variables.map(|(name, values)| Variable { name, values });
        let variables: Vec<Variable> = variables.collect();
        // Of each range there are two numbers at least.
        let ranges = variables
            .iter()
            .filter(|variable| matches!(variable.values, Values::Range(..)));
        let names: Vec<String> = ranges
            .map(|variable| variable.name.clone())
            .take(2)
            .collect();
        let differ = if differ && names.len() == 2 {
            names
        } else {
            Vec::new()
        };
        Draws { variables, differ }
    })
}

fn steady_client() -> impl Strategy<Value = Client> {
    let method = prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::HEAD)];
    let url = (
        "[a-z]{1,6}|::1|10\\.0\\.0\\.1",
        any::<u16>(),
        "/[a-z/]{0,9}(\\?[a-z]=1)?",
    );
    let url = url.prop_map(|(host, port, path)| Url { host, port, path });
    let headers = vec(("[a-z]{1,5}", "[!-~]([ -~]{0,8}[!-~])?"), 0..3).prop_map(|mut headers| {
        headers.sort();
        headers.dedup_by(|a, b| a.0 == b.0);
        let made = headers.into_iter().map(|(name, value)| {
            (
                HeaderName::try_from(name).unwrap(),
                // `${` begins a name that is drawn; no scenario that was read holds another.
                HeaderValue::try_from(value.replace("${", "$")).unwrap(),
            )
        });
        made.collect::<Vec<_>>()
    });
    let timeout = prop_oneof![Just(Duration::from_secs(30)), millis(1..100_000)];
    let log = (text(), "[a-z]{1,3}/\\([a-z]\\[0-9\\]\\+\\)|\\(\\.[*]\\)");
    let log = log.prop_map(|(of, matches)| Extract::Log { of, matches });
    let places = (
        option::of(extract()),
        option::of(prop_oneof![extract(), log]),
        option::of(prop_oneof![
            extract(),
            "[a-zA-Z_:][a-z0-9_:]{0,8}".prop_map(Extract::Metric)
        ]),
    );
    let body = prop_oneof![Just(String::new()), text()];
    (
        name(),
        method,
        url,
        headers,
        body,
        pace(),
        1..9_u32,
        timeout,
        any::<bool>(),
        places,
    )
        .prop_map(
            |(name, method, url, headers, body, pace, users, timeout, keep_alive, places)| Client {
                name,
                method,
                url: Located {
                    line: 0,
                    value: url,
                },
                headers,
                body,
                draws: Draws::default(),
                pace,
                users: if matches!(pace, Pace::Open { .. }) {
                    1
                } else {
                    users
                },
                timeout,
                keep_alive,
                keep_body: !keep_alive,
                backend: places.0,
                database: places.1,
                value: places.2,
            },
        )
}

fn load() -> impl Strategy<Value = Load> {
    prop_oneof![Just(Load::Off), Just(Load::On), pace().prop_map(Load::Pace)]
}

/// Changes for some of the clients, in their order, or for all.
fn loads(clients: Vec<String>) -> impl Strategy<Value = Vec<(String, Load)>> {
    let each = vec(option::of(load()), clients.len());
    (each, option::of(load())).prop_map(move |(each, all)| {
        let loads = clients.iter().cloned().zip(each);
        match all {
            Some(load) => clients.iter().cloned().map(|name| (name, load)).collect(),
            None => loads
                .filter_map(|(name, load)| Some((name, load?)))
                .collect(),
        }
    })
}

fn phase(clients: Vec<String>) -> impl Strategy<Value = Phase> {
    let steps = vec(
        (0.0..1.0, act::act(clients.clone()), option::of(0.0..1.0)),
        0..4,
    );
    (
        (name(), 0..10_u8, name()),
        1..100_000_u64,
        loads(clients),
        steps,
        option::of(budget()),
        expectations(),
    )
        .prop_map(
            |((name, kind, of), lasts_ms, load, steps, explore, expect)| Phase {
                name,
                length: match kind {
                    0 => Length::Requests(u32::try_from(lasts_ms).unwrap()),
                    1 => Length::Rollout {
                        of,
                        within: Duration::from_millis(lasts_ms),
                    },
                    _ => Length::For(Duration::from_millis(lasts_ms)),
                },
                load,
                steps: steps
                    .into_iter()
                    .map(|(at, act, lasts)| {
                        let at_ms = (lasts_ms as f64 * at) as u64;
                        let left_ms = (lasts_ms - at_ms) as f64;
                        let lasts = lasts.filter(|_| act.can_last());
                        let lasts =
                            lasts.map(|part: f64| Duration::from_millis((left_ms * part) as u64));
                        Step {
                            line: 0,
                            at: Duration::from_millis(at_ms),
                            act,
                            lasts,
                        }
                    })
                    .filter(|step| kind != 0 || !matches!(step.act, Act::Load(_)))
                    .collect(),
                explore: explore.filter(|_| kind > 1),
                expect,
            },
        )
}

/// Any budget.
pub(crate) fn budget() -> impl Strategy<Value = Budget> {
    let kinds = vec(
        (
            0..KINDS.len(),
            fraction(),
            fraction(),
            0..999_u64,
            0..999_u64,
        ),
        1..6,
    );
    let kinds = kinds.prop_map(|drawn| {
        let kind = |(which, a, b, c, d): (usize, f64, f64, u64, u64)| match KINDS[which] {
            Kind::Loss(..) => Kind::Loss(a.min(b), a.max(b)),
            Kind::Latency(..) => Kind::Latency(
                Duration::from_millis(c.min(d)),
                Duration::from_millis(c.max(d)),
            ),
            kind => kind,
        };
        drawn.into_iter().map(kind).collect()
    });
    let kinds = prop_oneof![Just(KINDS.to_vec()), kinds];
    let last = (1..9_000_u64, 0..9_000_u64).prop_map(|(low, more)| {
        (
            Duration::from_millis(low),
            Duration::from_millis(low + more),
        )
    });
    let alive = btree_map(text(), 0..3_u32, 0..3).prop_map(|alive| {
        let entry = |(value, n)| (Located { line: 0, value }, n);
        alive.into_iter().map(entry).collect()
    });
    let rest = prop_oneof![Just(Duration::from_secs(5)), millis(0..9_000)];
    (kinds, vec(name(), 0..3), 1..5_u32, last, alive, rest).prop_map(
        |(faults, services, at_once, last, alive, rest)| Budget {
            faults,
            services,
            at_once,
            last,
            alive,
            rest,
        },
    )
}

/// At most one for each key, in the order of a file.
fn expectations() -> impl Strategy<Value = Vec<Expectation>> {
    let share = || {
        prop_oneof![
            Just("100%"),
            Just(">= 99%"),
            Just("< 1%"),
            Just("40%..60%"),
            Just("> 0%")
        ]
        .prop_map(|text| Comparison::read(text, units::Kind::Share).unwrap())
    };
    let time = || {
        prop_oneof![Just("< 1s"), Just("> 2.5s"), Just("10s..11s")]
            .prop_map(|text| Comparison::read(text, units::Kind::Time).unwrap())
    };
    let count = || {
        prop_oneof![Just("0"), Just(">= 10"), Just("5..9")]
            .prop_map(|text| Comparison::read(text, units::Kind::Count).unwrap())
    };
    let one = |of: BoxedStrategy<Quantity>| of.prop_map(|of| vec![of]).boxed();
    let shares = move |served| {
        let shares = btree_map(text(), share(), 1..3);
        let of = move |(value, share)| Quantity::Share(served, Located { line: 0, value }, share);
        shares
            .prop_map(move |shares| shares.into_iter().map(of).collect())
            .boxed()
    };
    let statuses = btree_map(text(), share(), 1..3).prop_map(|shares| {
        let all = shares
            .into_iter()
            .map(|(status, share)| Quantity::StatusShare(status, share));
        all.collect()
    });
    let groups: Vec<BoxedStrategy<Vec<Quantity>>> = vec![
        one(share().prop_map(Quantity::Success).boxed()),
        one(time().prop_map(Quantity::LongestStall).boxed()),
        one(time().prop_map(Quantity::LongestOutage).boxed()),
        one(count().prop_map(Quantity::Requests).boxed()),
        one(count().prop_map(Quantity::Failed).boxed()),
        prop_oneof![
            vec(100..600_u16, 1..3).prop_map(|all| vec![Quantity::OnlyStatus(all)]),
            vec(-9..9_i64, 1..3).prop_map(|all| vec![Quantity::Values(all)]),
            statuses
        ]
        .boxed(),
        shares(Served::Backend),
        shares(Served::Database),
        one(vec(name(), 1..3)
            .prop_map(|all| Quantity::Only(Served::Backend, all))
            .boxed()),
        one(vec(name(), 1..3)
            .prop_map(|all| Quantity::Only(Served::Database, all))
            .boxed()),
        one(count()
            .prop_map(|count| Quantity::Distinct(Served::Backend, count))
            .boxed()),
        one(count()
            .prop_map(|count| Quantity::Distinct(Served::Database, count))
            .boxed()),
        one(vec(run(count().boxed(), time().boxed()), 1..4)
            .prop_map(Quantity::Sequence)
            .boxed()),
        (time(), time())
            .prop_map(|(p50, max)| {
                vec![Quantity::Latency("p50", p50), Quantity::Latency("max", max)]
            })
            .boxed(),
    ];
    let all: Vec<_> = groups.into_iter().map(option::of).collect();
    all.prop_flat_map(|groups| {
        let present: Vec<_> = groups.into_iter().flatten().collect();
        Just(present).prop_shuffle()
    })
    .prop_map(|groups| {
        let all = groups.into_iter().flatten();
        all.map(|of| Expectation { line: 0, of }).collect()
    })
}

fn run(
    count: BoxedStrategy<Comparison>,
    time: BoxedStrategy<Comparison>,
) -> impl Strategy<Value = Run> {
    let status = vec(
        prop_oneof![Just("200"), Just("timeout"), Just("no such name")],
        0..3,
    );
    let names = || vec(name(), 0..3);
    (count, status, names(), names(), option::of(time)).prop_map(
        |(requests, status, backend, database, stall)| Run {
            requests,
            status: status.into_iter().map(str::to_owned).collect(),
            backend,
            database,
            stall,
        },
    )
}

fn invariant(clients: &[Client]) -> impl Strategy<Value = Invariant> + use<> {
    let within = prop_oneof![Just(Duration::from_secs(10)), millis(0..20_000)].boxed();
    let plain = prop_oneof![
        Just(Invariant::EveryRequestAnswered),
        Just(Invariant::NoFailedRequest),
        Just(Invariant::NoServerError),
        Just(Invariant::NoEmptySuccess),
        Just(Invariant::OneLeaderATerm),
        Just(Invariant::CommittedKept),
        Just(Invariant::EtcdReads),
        Just(Invariant::LeasesLast),
        Just(Invariant::WatchComplete),
        within
            .clone()
            .prop_map(|within| Invariant::Recovers { within }),
        (within, fraction()).prop_map(|(within, tolerance)| {
            Invariant::BalancedAfterRecovery { within, tolerance }
        }),
    ];
    let named = |is: fn(&Client) -> bool| {
        let of = clients.iter().filter(|client| is(client));
        of.map(|client| client.name.value.clone())
            .collect::<Vec<_>>()
    };
    let (all, keeping) = (named(|_| true), named(|client| client.keep_body));
    let counting = named(|client| client.value.is_some());
    let mut kinds = vec![plain.boxed()];
    if !all.is_empty() {
        kinds.push(answered_within(all.clone()).boxed());
    }
    if !keeping.is_empty() {
        kinds.push(of_accounts(all.clone(), keeping).boxed());
    }
    if !counting.is_empty() {
        kinds.push(of_counts(all, counting).boxed());
    }
    proptest::strategy::Union::new(kinds)
}

fn answered_within(all: Vec<String>) -> impl Strategy<Value = Invariant> {
    let deadline = prop_oneof![Just(Duration::from_secs(12)), millis(0..20_000)];
    (select(all), deadline)
        .prop_map(|(client, deadline)| Invariant::AnsweredWithin { client, deadline })
}

/// Of those that keep their answers.
fn of_accounts(all: Vec<String>, keeping: Vec<String>) -> impl Strategy<Value = Invariant> {
    let settle = prop_oneof![Just(squall_check::SETTLE), millis(0..20_000)];
    let clients = (
        select(all),
        select(keeping.clone()),
        settle,
        select(keeping),
    );
    (clients, 0..5_u8).prop_map(|((transfers, accounts, settle, clear), kind)| {
        let accounts = Accounts {
            transfers,
            accounts,
            settle,
        };
        match kind {
            0 => Invariant::BalancesSumToZero(accounts),
            1 => Invariant::AcknowledgedExactlyOnce(accounts),
            2 => Invariant::RefusedNotAtAll(accounts),
            3 => Invariant::UnknownAtMostOnce(accounts),
            _ => Invariant::ClearSettles(Clear { clear, accounts }),
        }
    })
}

/// Of those that read a number.
fn of_counts(all: Vec<String>, counting: Vec<String>) -> impl Strategy<Value = Invariant> {
    let at_most = prop_oneof![Just(24), any::<u32>()];
    let calls = vec(select(counting.clone()), 1..3);
    let kinds = (0..6_u8, select(counting.clone()), start());
    (select(all), select(counting), calls, at_most, kinds).prop_map(
        |(writes, reads, calls, at_most, (kind, increments, from))| {
            let counting = Counting {
                increments,
                reads: Some(reads.clone()),
                from,
            };
            let counted = Counted {
                writes: writes.clone(),
                reads,
            };
            match kind {
                0 => Invariant::NoLostWrite(counted),
                1 => Invariant::NoRepeatedWrite(counted),
                2 => Invariant::ReadsGoForward(counted),
                3 => Invariant::IncrementsLinearizable(counting),
                4 => Invariant::IncrementsAddUp(counting),
                _ => Invariant::BoundedRetries(Retries {
                    requests: writes,
                    calls,
                    at_most,
                }),
            }
        },
    )
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        Just(Start::At(0)),
        any::<i64>().prop_map(Start::At),
        Just(Start::FirstRead)
    ]
}
