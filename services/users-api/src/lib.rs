//! users-api.
