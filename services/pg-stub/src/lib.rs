//! pg-stub.
