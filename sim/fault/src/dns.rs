//! Names that do not resolve, or resolve to nonsense, for one machine.

/// What becomes of some of a machine's questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Names that are concerned: `*` at the end stands for anything, `?` for one character. Empty
    /// for all names.
    pub patterns: Vec<String>,
    /// What becomes of them.
    pub effect: Effect,
}

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The name server says that it failed.
    Error,
    /// The answer is an address drawn at random.
    Random,
}
