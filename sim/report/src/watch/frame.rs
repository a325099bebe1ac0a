//! What is to be seen at an instant, as plain data.

use squall_record::{Happening, Line, Name, Phase, Pod, Summary};

/// The seconds of which [`Frame::answers`] tells.
pub const SECONDS: usize = 60;

/// A run at an instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame<'a> {
    /// The instant, in microseconds since the run began.
    pub at_us: u64,
    /// The end of the run.
    pub end_us: u64,
    /// What the clocks of the system say, in seconds since 1970.
    pub clock_s: u64,
    /// What the whole run came to.
    pub summary: &'a Summary,
    /// The phase; none before the first.
    pub phase: Option<PhaseAt<'a>>,
    /// The pods or containers that there are, by name.
    pub pods: Vec<&'a Pod>,
    /// Who gets each service's traffic, by the service's name.
    pub endpoints: Vec<(&'a Name, &'a [Name])>,
    /// Who answered, with success.
    pub backends: Vec<Served<'a>>,
    /// Which databases were behind it.
    pub databases: Vec<Served<'a>>,
    /// Answers and failures of each of the last seconds; the last one is not over.
    pub answers: Vec<Answers>,
    /// Requests without an answer yet, and the longest that one of them waits, in microseconds.
    pub waiting: (u64, u64),
    /// What is broken now, in the order in which it broke.
    pub faults: Vec<InForce<'a>>,
    /// What has happened up to now.
    pub happenings: &'a [Happening],
    /// What the processes have written up to now.
    pub lines: &'a [Line],
}

/// The phase at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseAt<'a> {
    /// The phase.
    pub phase: &'a Phase,
    /// Which one, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

/// How much one member has answered lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<'a> {
    /// Its name.
    pub name: &'a Name,
    /// Requests in the last second.
    pub second: u64,
    /// Requests in the last ten seconds.
    pub ten_seconds: u64,
}

/// What came back in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Successes.
    pub ok: u64,
    /// Everything else.
    pub failed: u64,
}

/// A fault at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce<'a> {
    /// When it began, in microseconds since the run did.
    pub since_us: u64,
    /// Whom it befalls.
    pub hosts: Vec<&'a Name>,
    /// What it is.
    pub what: &'a str,
}
