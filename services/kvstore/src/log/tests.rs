//! Recovery from bad files.
