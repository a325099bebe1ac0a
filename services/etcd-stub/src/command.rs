//! What goes through the log, and the answer to it: etcd's own requests and responses, without headers.

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbDeleteRequest, PbDeleteResponse,
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse,
    PbPutRequest, PbPutResponse, PbTxnRequest, PbTxnResponse,
};

/// An entry of the log.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Who waits for it: no two commands of the group have the same.
    #[prost(uint64, tag = "1")]
    pub id: u64,
    /// What is to be done.
    #[prost(oneof = "Action", tags = "2, 3, 4, 5, 6, 7")]
    pub action: Option<Action>,
}

/// What the state machine does.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Action {
    /// `KV.Put`.
    #[prost(message, tag = "2")]
    Put(PbPutRequest),
    /// `KV.DeleteRange`.
    #[prost(message, tag = "3")]
    DeleteRange(PbDeleteRequest),
    /// `KV.Txn`.
    #[prost(message, tag = "4")]
    Txn(PbTxnRequest),
    /// `KV.Compact`.
    #[prost(message, tag = "5")]
    Compact(PbCompactionRequest),
    /// `Lease.LeaseGrant`; its id is chosen, and its TTL raised to the shortest, before it is proposed.
    #[prost(message, tag = "6")]
    LeaseGrant(PbLeaseGrantRequest),
    /// `Lease.LeaseRevoke`, by a client or because it expired.
    #[prost(message, tag = "7")]
    LeaseRevoke(PbLeaseRevokeRequest),
}

/// The answer to an [`Action`], of the same name; its `header` is `None`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Reply {
    Put(PbPutResponse),
    DeleteRange(PbDeleteResponse),
    Txn(PbTxnResponse),
    Compact(PbCompactionResponse),
    LeaseGrant(PbLeaseGrantResponse),
    LeaseRevoke(PbLeaseRevokeResponse),
}
