//! `endpoint health`, `endpoint status` and `member list`.

use etcd_client::{MemberListResponse, StatusResponse};
use futures::future::join_all;
use tokio::time::Instant;

use super::client::{Asked, Kind};
use super::text::{self, Object};
use super::{FAILED, Flags, Said};

/// Which members are asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Endpoints,
    /// `--cluster`: all that the list of members names.
    All,
}

pub(super) fn which(flags: &mut Flags<'_>) -> Result<Which, String> {
    Ok(match flags.is_set("--cluster")? {
        true => Which::All,
        false => Which::Endpoints,
    })
}

async fn endpoints(asked: &Asked, which: Which) -> Result<Vec<String>, String> {
    match which {
        Which::Endpoints => Ok(asked.endpoints.clone()),
        Which::All => {
            let list = member_list(asked).await?;
            let members = list.members().iter();
            Ok(members.flat_map(|m| m.client_urls().to_vec()).collect())
        }
    }
}

/// Whether each member can commit: a linearizable read of the key `health`.
pub(super) async fn health(asked: &Asked, which: Which, json: bool) -> Result<Said, String> {
    let endpoints = endpoints(asked, which).await?;
    let each = endpoints.iter().map(|endpoint| async move {
        let from = Instant::now();
        let one = asked.only(endpoint);
        let got = one
            .call(Kind::Read, |mut client| async move {
                client.get("health", None).await
            })
            .await;
        // Whoever may not read it has been told so by a member that works.
        let got = match got {
            Err(reason) if reason != "etcdserver: permission denied" => Err(reason),
            _ => Ok(()),
        };
        (endpoint, got, text::time(from.elapsed()))
    });
    let mut said = Said::default();
    let mut objects = Vec::new();
    for (endpoint, got, took) in join_all(each).await {
        let object = Object::default().text("endpoint", endpoint);
        let object = object.raw("health", got.is_ok()).text("took", &took);
        let line = match &got {
            Ok(()) => {
                format!("{endpoint} is healthy: successfully committed proposal: took = {took}\n")
            }
            Err(reason) => {
                said.status = FAILED;
                format!("{endpoint} is unhealthy: failed to commit proposal: {reason}\n")
            }
        };
        let error = got.err().unwrap_or_default();
        objects.push(object.text("error", &error).done());
        if !json {
            said.errors.push_str(&line);
        }
    }
    if json {
        said.output = format!("[{}]\n", objects.join(","));
    }
    if said.status != 0 {
        said.errors.push_str("Error: unhealthy cluster\n");
    }
    Ok(said)
}

/// Where each member stands, one after the other.
pub(super) async fn status(asked: &Asked, which: Which, json: bool) -> Result<Said, String> {
    let mut said = Said::default();
    let mut objects = Vec::new();
    for endpoint in &endpoints(asked, which).await? {
        let one = asked.only(endpoint);
        let status = one
            .call(
                Kind::Read,
                |mut client| async move { client.status().await },
            )
            .await;
        match status {
            Ok(status) if json => objects.push(status_object(endpoint, &status)),
            Ok(status) => said.output.push_str(&status_line(endpoint, &status)),
            Err(reason) => {
                said.status = FAILED;
                let line = format!("Failed to get the status of endpoint {endpoint} ({reason})\n");
                said.errors.push_str(&line);
            }
        }
    }
    if json {
        said.output = format!("[{}]\n", objects.join(","));
    }
    Ok(said)
}

fn status_line(endpoint: &str, status: &StatusResponse) -> String {
    let id = status
        .header()
        .map_or(0, etcd_client::ResponseHeader::member_id);
    let fields = [
        endpoint.to_owned(),
        format!("{id:x}"),
        status.version().to_owned(),
        text::size(status.db_size()),
        (status.leader() == id).to_string(),
        status.is_learner().to_string(),
        status.raft_term().to_string(),
        status.raft_index().to_string(),
        status.raft_applied_index().to_string(),
        status.errors().join(", "),
    ];
    fields.join(", ") + "\n"
}

fn status_object(endpoint: &str, status: &StatusResponse) -> String {
    let errors: Vec<String> = status.errors().iter().map(|e| text::quoted(e)).collect();
    let object = Object::default()
        .header(status.header())
        .text("version", status.version())
        .number("dbSize", status.db_size())
        .number("leader", status.leader())
        .number("raftIndex", status.raft_index())
        .number("raftTerm", status.raft_term())
        .number("raftAppliedIndex", status.raft_applied_index())
        .list("errors", &errors)
        .number("dbSizeInUse", status.raft_used_db_size())
        .flag("isLearner", status.is_learner());
    let object = Object::default()
        .text("Endpoint", endpoint)
        .raw("Status", object.done());
    object.done()
}

/// Who belongs to the group, as the first member that answers has it.
pub(super) async fn list(asked: &Asked, json: bool) -> Result<Said, String> {
    let members = member_list(asked).await?;
    if json {
        let quoted = |urls: &[String]| urls.iter().map(|u| text::quoted(u)).collect::<Vec<_>>();
        let each = members.members().iter().map(|member| {
            Object::default()
                .number("ID", member.id())
                .text("name", member.name())
                .list("peerURLs", &quoted(member.peer_urls()))
                .list("clientURLs", &quoted(member.client_urls()))
                .flag("isLearner", member.is_learner())
                .done()
        });
        let object = Object::default()
            .header(members.header())
            .list("members", &each.collect::<Vec<_>>());
        return Ok(Said::output(object.done() + "\n"));
    }
    let lines = members.members().iter().map(|member| {
        let state = match member.name() {
            "" => "unstarted",
            _ => "started",
        };
        format!(
            "{:x}, {state}, {}, {}, {}, {}\n",
            member.id(),
            member.name(),
            member.peer_urls().join(","),
            member.client_urls().join(","),
            member.is_learner()
        )
    });
    Ok(Said::output(lines.collect()))
}

/// What `member list` and `--cluster` ask for.
async fn member_list(asked: &Asked) -> Result<MemberListResponse, String> {
    asked
        .call(Kind::Read, |mut client| async move {
            client.member_list().await
        })
        .await
}
