//! What breaks, when and for how long, in the words of a scenario file.
//!
//! A [`Fault`] is one step of a scenario. Shown (`Display`, `Debug`), it is the code that makes it,
//! so a schedule that proptest found can be pasted into a test.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use squall_fault::link::Loss;
use squall_fault::{Delay, LinkFault};
use squall_scenario::file::{Act, Located, Process, Step};

pub use squall_scenario::file::Links;

/// Something that breaks, or is mended.
#[derive(Clone, PartialEq)]
pub struct Fault(pub(crate) Step);

/// Names of services, of single containers (`SERVICE-NUMBER`), and, for links, of clients.
pub trait Names {
    /// Each name.
    fn names(self) -> Vec<String>;
}

impl Names for &str {
    fn names(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Names for String {
    fn names(self) -> Vec<String> {
        vec![self]
    }
}

impl Names for Vec<String> {
    fn names(self) -> Vec<String> {
        self
    }
}

impl<const N: usize> Names for [&str; N] {
    fn names(self) -> Vec<String> {
        self.map(str::to_owned).into()
    }
}

/// SIGKILL: the process is gone, its kernel closes what it had open. [`Fault::lasting`] starts it again.
#[track_caller]
pub fn kill(names: impl Names) -> Fault {
    process(Process::Kill, names)
}

/// SIGTERM, and SIGKILL after the grace period. [`Fault::lasting`] starts it again.
#[track_caller]
pub fn stop(names: impl Names) -> Fault {
    process(Process::Stop, names)
}

/// Stops it and starts it again.
#[track_caller]
pub fn restart(names: impl Names) -> Fault {
    process(Process::Restart, names)
}

/// Starts what was killed or stopped.
#[track_caller]
pub fn start(names: impl Names) -> Fault {
    process(Process::Start, names)
}

/// The process does nothing; its kernel still answers.
#[track_caller]
pub fn pause(names: impl Names) -> Fault {
    process(Process::Pause, names)
}

/// What was paused goes on.
#[track_caller]
pub fn unpause(names: impl Names) -> Fault {
    process(Process::Unpause, names)
}

/// The machine loses its power: silence, and what was not synced to disk is lost.
#[track_caller]
pub fn power_off(names: impl Names) -> Fault {
    let names = located(names);
    fault(Act::Power(names, false))
}

/// A service is given so many containers.
#[track_caller]
pub fn scale(service: &str, replicas: u32) -> Fault {
    let mut names = located(service);
    fault(Act::Scale(names.remove(0), replicas))
}

/// Nothing passes on these links: silence, not an error.
#[track_caller]
pub fn partition(links: Links) -> Fault {
    fault(Act::Link(links, LinkFault::Cut))
}

/// This share of the packets on these links is lost, from 0 to 100.
#[track_caller]
pub fn loss(percent: f64, links: Links) -> Fault {
    let loss = Loss::independent(percent / 100.0);
    fault(Act::Link(links, LinkFault::Loss(loss)))
}

/// Packets on these links take this long, and up to `jitter` longer.
#[track_caller]
pub fn latency(delay: Duration, jitter: Duration, links: Links) -> Fault {
    let delay = Delay {
        jitter,
        ..Delay::steady(delay)
    };
    fault(Act::Link(links, LinkFault::Latency(delay)))
}

/// Open TCP connections on these links are reset, at both ends.
#[track_caller]
pub fn reset(links: Links) -> Fault {
    fault(Act::Reset(links))
}

/// The links between one and another, both ways.
#[track_caller]
pub fn between(one: impl Names, other: impl Names) -> Links {
    Links {
        from: Some(located(one)),
        towards: Some(located(other)),
        both_ways: true,
    }
}

/// All links of these, both ways.
#[track_caller]
pub fn of(names: impl Names) -> Links {
    Links {
        from: None,
        towards: Some(located(names)),
        both_ways: true,
    }
}

/// The links from one to another, this way alone.
#[track_caller]
pub fn one_way(from: impl Names, towards: impl Names) -> Links {
    Links {
        from: Some(located(from)),
        towards: Some(located(towards)),
        both_ways: false,
    }
}

impl Fault {
    /// When, from the start of the story; at its start unless said otherwise.
    #[must_use]
    pub fn at(mut self, at: Duration) -> Self {
        self.0.at = at;
        self
    }

    /// After so long it is undone.
    #[must_use]
    pub fn lasting(mut self, lasts: Duration) -> Self {
        self.0.lasts = Some(lasts);
        self
    }

    /// When it is over.
    pub(crate) fn end(&self) -> Duration {
        self.0.at + self.0.lasts.unwrap_or_default()
    }
}

/// A step; its time counts from the start of the story.
impl From<Step> for Fault {
    fn from(step: Step) -> Self {
        Self(step)
    }
}

#[track_caller]
fn process(process: Process, names: impl Names) -> Fault {
    let names = located(names);
    fault(Act::Process(process, names))
}

#[track_caller]
fn fault(act: Act) -> Fault {
    Fault(Step {
        line: Location::caller().line(),
        at: Duration::ZERO,
        act,
        lasts: None,
    })
}

#[track_caller]
fn located(names: impl Names) -> Vec<Located<String>> {
    let line = Location::caller().line();
    let names = names.names().into_iter();
    names.map(|value| Located { line, value }).collect()
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { at, act, lasts, .. } = &self.0;
        match act {
            Act::Process(process, names) => {
                let word = match process {
                    Process::Kill => "kill",
                    Process::Stop => "stop",
                    Process::Start => "start",
                    Process::Restart => "restart",
                    Process::Pause => "pause",
                    Process::Unpause => "unpause",
                };
                write!(f, "{word}({})", Code(names))?;
            }
            Act::Power(names, false) => write!(f, "power_off({})", Code(names))?,
            Act::Scale(name, replicas) => write!(f, "scale({:?}, {replicas})", name.value)?,
            Act::Link(links, LinkFault::Cut) => write!(f, "partition({})", Code(links))?,
            Act::Link(links, LinkFault::Loss(Loss::Random(chance))) => {
                // Without the last bits that a division left.
                let percent = (chance.probability * 1e8).round() / 1e6;
                write!(f, "loss({percent:?}, {})", Code(links))?;
            }
            Act::Link(links, LinkFault::Latency(delay)) => {
                let (delay, jitter) = (Code(&delay.latency), Code(&delay.jitter));
                write!(f, "latency({delay}, {jitter}, {})", Code(links))?;
            }
            Act::Reset(links) => write!(f, "reset({})", Code(links))?,
            // Steps of a file, for which there is no function here.
            other => write!(f, "{other:?}")?,
        }
        if !at.is_zero() {
            write!(f, ".at({})", Code(at))?;
        }
        match lasts {
            Some(lasts) => write!(f, ".lasting({})", Code(lasts)),
            None => Ok(()),
        }
    }
}

/// A value as the code that makes it.
struct Code<'a, T>(&'a T);

impl fmt::Display for Code<'_, Duration> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.as_nanos(), self.0.as_secs(), self.0.as_millis()) {
            (nanos, secs, _) if nanos == u128::from(secs) * 1_000_000_000 => {
                write!(f, "secs({secs})")
            }
            (nanos, _, millis) if nanos == millis * 1_000_000 => write!(f, "millis({millis})"),
            (nanos, ..) => write!(f, "Duration::from_nanos({nanos})"),
        }
    }
}

impl fmt::Display for Code<'_, Vec<Located<String>>> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{:?}", one.value),
            several => {
                let names: Vec<&str> = several.iter().map(|name| name.value.as_str()).collect();
                write!(f, "{names:?}")
            }
        }
    }
}

impl fmt::Display for Code<'_, Links> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Links {
                from: None,
                towards: Some(names),
                both_ways: true,
            } => write!(f, "of({})", Code(names)),
            Links {
                from: Some(one),
                towards: Some(other),
                both_ways,
            } => {
                let word = if *both_ways { "between" } else { "one_way" };
                write!(f, "{word}({}, {})", Code(one), Code(other))
            }
            // A file can say more: `towards` and `from` alone.
            other => write!(f, "{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{millis, secs};

    #[test]
    fn a_fault_is_shown_as_the_code_that_makes_it() {
        for (fault, code) in [
            (kill("a"), r#"kill("a")"#),
            (
                pause(["a", "b"]).at(millis(1_500)).lasting(secs(2)),
                r#"pause(["a", "b"]).at(millis(1500)).lasting(secs(2))"#,
            ),
            (
                power_off("a-2").at(secs(3)),
                r#"power_off("a-2").at(secs(3))"#,
            ),
            (partition(of("a")), r#"partition(of("a"))"#),
            (
                loss(25.0, between("a", "b")).lasting(Duration::from_micros(5)),
                r#"loss(25.0, between("a", "b")).lasting(Duration::from_nanos(5000))"#,
            ),
            (
                latency(millis(50), secs(0), one_way("a", "b")),
                r#"latency(millis(50), secs(0), one_way("a", "b"))"#,
            ),
            (scale("a", 3), r#"scale("a", 3)"#),
            (reset(of("a")), r#"reset(of("a"))"#),
        ] {
            assert_eq!(fault.to_string(), code);
            assert_eq!(format!("{fault:?}"), code);
        }
    }
}
