//! The defects that are planted, and where each is found. Only data; the code asks for them by name.

/// One defect.
pub(crate) struct Defect {
    /// `SERVICE/what-it-does`, as the code asks for it.
    pub(crate) name: &'static str,
    /// What the developer got wrong.
    pub(crate) mistake: &'static str,
    /// The scenario of `tests/planted` that should show it.
    pub(crate) scenario: &'static str,
    /// The first of the seeds 0 to 199 that shows it, what caught it there, and to what size that run
    /// shrinks.
    pub(crate) found: Option<(u64, &'static str, &'static str)>,
}

const fn defect(
    name: &'static str,
    mistake: &'static str,
    scenario: &'static str,
    found: Option<(u64, &'static str, &'static str)>,
) -> Defect {
    Defect {
        name,
        mistake,
        scenario,
        found,
    }
}

pub(crate) const DEFECTS: &[Defect] = &[
    defect(
        "pg-proxy/never-rechecks",
        "a server that is down is not checked any more",
        "databases",
        Some((
            0,
            "database database1 in \"both carry the load\"",
            "5 → 2 steps, 27 s → 4.3 s",
        )),
    ),
    defect(
        "pg-proxy/rise-off-by-one",
        "up after `rise` - 1 good checks",
        "flicker",
        Some((2, "success in \"it flickers\"", "6 → 4 steps, 9 s → 2 s")),
    ),
    defect(
        "pg-proxy/fall-off-by-one",
        "down after `fall` - 1 bad checks",
        "blips",
        Some((0, "success in \"it is over\"", "2 → 1 step, 6.3 s → 1.6 s")),
    ),
    defect(
        "pg-proxy/check-ignores-timeout",
        "a check that has connected waits an hour for its answer",
        "databases",
        Some((
            0,
            "success in \"the other carries the load again\"",
            "5 → 1 step, 27 s → 2.2 s",
        )),
    ),
    defect(
        "pg-proxy/forgets-failed-server",
        "a redispatch may choose the server that has just failed",
        "databases",
        Some((
            0,
            "success in \"one database dies\"",
            "5 → 1 step, 27 s → 0.1 s",
        )),
    ),
    defect(
        "pg-proxy/keeps-weight-of-down",
        "a server that comes up keeps the weight of one that is down",
        "databases",
        Some((
            0,
            "database database1 in \"both carry the load\"",
            "5 → 2 steps, 27 s → 4.3 s",
        )),
    ),
    defect(
        "pg-proxy/loses-wake-ups",
        "a place that comes free wakes nobody who waits for one",
        "writes",
        Some((0, "`recovers`", "5 → 1 step, 14 s → 4.3 s")),
    ),
    defect(
        "pg-proxy/leaks-places",
        "a client that leaves while its server is being connected keeps its place",
        "writes",
        Some((7, "`recovers`", "5 → 1 step, 14 s → 5.3 s")),
    ),
    defect(
        "edge/never-forgives",
        "`fail_timeout` takes milliseconds for seconds",
        "backends",
        Some((0, "`recovers`", "6 → 2 steps, 26 s → 12.7 s")),
    ),
    defect(
        "edge/repeats-sent-posts",
        "a POST that was sent is sent to the next server as well",
        "backends",
        Some((0, "`no-repeated-write`", "6 → 1 step, 26 s → 2.8 s")),
    ),
    defect(
        "edge/pool-returns-broken",
        "kept connections are not looked at before they are used again",
        "deaths",
        Some((0, "`balanced-after-recovery`", "6 → 2 steps, 24 s → 4.7 s")),
    ),
    defect(
        "edge/no-read-timeout",
        "`proxy_read_timeout` takes milliseconds for seconds",
        "backends",
        Some((
            0,
            "longest stall in \"the other one stands still\"",
            "6 → 1 step, 26 s → 4 s",
        )),
    ),
    defect(
        "edge/ends-cut-bodies",
        "a body that is cut off by the upstream ends as if it were whole",
        "backends",
        None,
    ),
    defect(
        "pg-stub/answers-before-commit",
        "COMMIT is answered at once and done 20 ms later",
        "writes",
        Some((0, "`no-lost-write`", "5 → 0 steps, 14 s → 0.1 s")),
    ),
    defect(
        "pg-stub/rollback-keeps-lock",
        "a rollback does not give the writer's lock back",
        "deaths",
        Some((1, "`recovers`", "6 → 2 steps, 24 s → 3.5 s")),
    ),
    defect(
        "pg-stub/leaks-slots",
        "a client that vanishes keeps its connection slot",
        "writes",
        Some((0, "`recovers`", "5 → 0 steps, 14 s → 4.5 s")),
    ),
    defect(
        "pg-stub/shows-uncommitted",
        "reads see what another transaction has not committed",
        "deaths",
        Some((1, "`reads-go-forward`", "6 → 2 steps, 24 s → 3 s")),
    ),
    defect(
        "users-api/no-query-deadline",
        "the deadline of a query takes milliseconds for seconds",
        "writes",
        Some((0, "`recovers`", "5 → 2 steps, 14 s → 6.1 s")),
    ),
    defect(
        "users-api/errors-are-200",
        "an error of the database is answered with 200",
        "databases",
        Some((0, "`no-empty-success`", "5 → 1 step, 27 s → 3 s")),
    ),
    defect(
        "users-api/repeats-inserts",
        "a transaction whose fate is unknown is run again",
        "writes",
        Some((0, "`no-repeated-write`", "5 → 2 steps, 14 s → 1.9 s")),
    ),
    defect(
        "users-api/cuts-off-at-stop",
        "requests in flight are cut off at a stop",
        "backends",
        Some((
            0,
            "failed in \"a backend is stopped politely while the database is slow\"",
            "6 → 2 steps, 26 s → 1.5 s",
        )),
    ),
];
