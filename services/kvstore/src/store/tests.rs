//! Rules of the state machine.
