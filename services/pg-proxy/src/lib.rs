//! pg-proxy.
