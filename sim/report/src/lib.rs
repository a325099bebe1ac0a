//! What people and programs read of a run, made from its record alone.
//!
//! | module | idea |
//! |---|---|
//! | [`text`] | the terminal: each phase as it ends, in the manner of a load test, and a summary |
//! | [`picture`] | a line of blocks that shows a phase second by second |
//! | [`json`] | the summary for programs, and the record for `squall watch` |
//! | [`history`] | invocations and completions, for checkers of Jepsen's kind; and drawn |
//! | [`watch`] | what is to be seen of a run at an instant: the model of the dashboard |
//!
//! Text carries ANSI styles always; whoever knows the stream (the command line, through
//! `anstream`) takes them out where nobody sees them. Every mark has a word beside it, so nothing
//! is lost then. Deliberately absent: any judgement, and any knowledge of how the run was made.

pub mod history;
pub mod json;
pub mod picture;
pub mod text;
pub mod watch;
