//! `Cluster`: who belongs to the group.

use etcd_client::proto::{
    PbClusterService, PbMember, PbMemberAddRequest, PbMemberAddResponse, PbMemberListRequest,
    PbMemberListResponse, PbMemberPromoteRequest, PbMemberPromoteResponse, PbMemberRemoveRequest,
    PbMemberRemoveResponse, PbMemberUpdateRequest, PbMemberUpdateResponse,
};
use tonic::{Request, Response, Status};

use super::Node;
use crate::consensus::{Member, MemberChange};
use crate::refusal::Refusal;

fn on_the_wire(members: Vec<Member>) -> Vec<PbMember> {
    let one = |member: Member| PbMember {
        id: member.id,
        name: member.name,
        peer_ur_ls: member.peer_urls,
        client_ur_ls: member.client_urls,
        is_learner: member.is_learner,
    };
    members.into_iter().map(one).collect()
}

/// Addresses as etcd takes them (`types.NewURLs`): at least one, each `http` or `https`, a host, a port and
/// no path.
fn check_urls(urls: &[String]) -> Result<(), Refusal> {
    let is_fine = |url: &String| {
        let address = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"));
        let port = address.and_then(|address| address.rsplit_once(':'));
        port.is_some_and(|(host, port)| {
            !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
        })
    };
    match !urls.is_empty() && urls.iter().all(is_fine) {
        true => Ok(()),
        false => Err(Refusal::MemberBadUrls),
    }
}

#[tonic::async_trait]
impl PbClusterService for Node {
    async fn member_add(
        &self,
        request: Request<PbMemberAddRequest>,
    ) -> Result<Response<PbMemberAddResponse>, Status> {
        let request = request.into_inner();
        check_urls(&request.peer_ur_ls)?;
        let change = MemberChange::Add {
            peer_urls: request.peer_ur_ls,
            as_learner: request.is_learner,
        };
        let (members, id) = self.group.change(change).await?;
        let members = on_the_wire(members);
        Ok(Response::new(PbMemberAddResponse {
            header: self.header(0), // as etcd: the service does not know revisions
            member: members.iter().find(|member| member.id == id).cloned(),
            members,
        }))
    }

    async fn member_remove(
        &self,
        request: Request<PbMemberRemoveRequest>,
    ) -> Result<Response<PbMemberRemoveResponse>, Status> {
        let change = MemberChange::Remove(request.into_inner().id);
        let (members, _) = self.group.change(change).await?;
        Ok(Response::new(PbMemberRemoveResponse {
            header: self.header(0),
            members: on_the_wire(members),
        }))
    }

    async fn member_update(
        &self,
        request: Request<PbMemberUpdateRequest>,
    ) -> Result<Response<PbMemberUpdateResponse>, Status> {
        let request = request.into_inner();
        check_urls(&request.peer_ur_ls)?;
        let change = MemberChange::Update {
            id: request.id,
            peer_urls: request.peer_ur_ls,
        };
        let (members, _) = self.group.change(change).await?;
        Ok(Response::new(PbMemberUpdateResponse {
            header: self.header(0),
            members: on_the_wire(members),
        }))
    }

    async fn member_list(
        &self,
        request: Request<PbMemberListRequest>,
    ) -> Result<Response<PbMemberListResponse>, Status> {
        if request.into_inner().linearizable {
            self.group.catch_up().await?;
        }
        Ok(Response::new(PbMemberListResponse {
            header: self.header(0),
            members: on_the_wire(self.group.members()),
        }))
    }

    async fn member_promote(
        &self,
        request: Request<PbMemberPromoteRequest>,
    ) -> Result<Response<PbMemberPromoteResponse>, Status> {
        let change = MemberChange::Promote(request.into_inner().id);
        let (members, _) = self.group.change(change).await?;
        Ok(Response::new(PbMemberPromoteResponse {
            header: self.header(0),
            members: on_the_wire(members),
        }))
    }
}
