//! Faults as people deploy them: Chaos Mesh documents and Istio's VirtualServices, read into typed
//! values, and laid out in time.
//!
//! | module | idea |
//! |---|---|
//! | [`document`] | one document; what it does to whom |
//! | [`select`] | selectors and modes, over members of any system |
//! | [`mod@expand`] | from documents to injections with a beginning and an end |
//! | [`schedule`] | when a Schedule fires |
//! | [`workflow`] | templates, serial and parallel |
//! | [`quantity`] | durations, percentages and rates as these formats write them |
//! | [`yaml`] | a YAML tree read key by key, every mistake with its line |
//! | `kinds` | the fields of each kind |
//!
//! Every field is honoured, or it is an error that says why and what to do; the table is in the
//! book, "Faults". Deliberately absent: the injection itself, and any knowledge of a running system.

pub mod document;
pub mod expand;
mod kinds;
pub mod quantity;
pub mod schedule;
pub mod select;
pub mod workflow;
pub mod yaml;

pub use document::{Body, Chaos, Direction, Document, Fault, is_chaos, read, read_node};
pub use expand::{Injection, TooMany, expand};
pub use select::{Member, Mode, Selection, Selector, Who};
