//! The services on the wire: what etcd-client has servers for, and Lock and Election beside them.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::all)] // until the services stand

mod lockpb {
    tonic::include_proto!("v3lockpb");
}

mod electionpb {
    tonic::include_proto!("v3electionpb");
}
