//! Connections from the other members: who may talk, and what they say.

use std::io;
use std::sync::Arc;

use prost_raft::Message as _;
use raft::eraftpb::Message;
use squall_host::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Group;
use super::frames::{self, Ask, Body, Hello, Reader, Refused, Told, VERSION, Welcome};
use super::link::{SILENCE, write};
use super::peers::Event;
use crate::refusal::Refusal;

/// Connections at a time; the members of a group, and those who ask who belongs to it.
const CONNECTIONS_MAX: usize = 256;
/// Questions of one member at a time.
const QUESTIONS_MAX: usize = 1024;
/// The longest message with a snapshot.
const SNAPSHOT_BYTES_MAX: usize = 2 << 30;

/// Takes connections as long as it is polled.
pub(super) async fn serve(mut listener: TcpListener, group: Group, events: mpsc::Sender<Event>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let (group, events) = (group.clone(), events.clone());
                connections.spawn(async move {
                    // However it ends, the other will connect again.
                    let _ = talk(stream, group, events).await;
                    drop(permit);
                });
            }
            // Out of file descriptors: others may close some.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

async fn talk(mut stream: TcpStream, group: Group, events: mpsc::Sender<Event>) -> io::Result<()> {
    let mut reader = Reader::default();
    let hello = timeout(SILENCE, reader.next(&mut stream)).await??;
    let Body::Hello(hello) = hello else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let answer = answer(&hello, &group);
    let is_over = hello.cluster_id == 0 || matches!(answer, Body::Refused(_));
    let mut bytes = Vec::new();
    frames::push(&mut bytes, answer);
    write(&mut stream, &bytes).await?;
    if is_over {
        return Ok(());
    }
    let (mut read, mut send) = tokio::io::split(stream);
    let mut whole = Vec::new();
    let mut answers = JoinSet::new();
    loop {
        let mut bytes = Vec::new();
        tokio::select! { biased;
            body = timeout(SILENCE, reader.next(&mut read)) => match body?? {
                Body::Raft(message) => raft(&message, &hello, &events).await?,
                Body::Part(part) => {
                    if whole.len() + part.bytes.len() > SNAPSHOT_BYTES_MAX {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                    whole.extend(part.bytes);
                    if part.is_last {
                        raft(&std::mem::take(&mut whole), &hello, &events).await?;
                    }
                }
                Body::Ping(number) => frames::push(&mut bytes, Body::Pong(number)),
                Body::Ask(ask) if answers.len() < QUESTIONS_MAX => {
                    let group = group.clone();
                    answers.spawn(async move { tell(ask, &group).await });
                }
                Body::Ask(ask) => {
                    let refusal = Some(Refusal::TooManyRequests.to_string());
                    let told = Told { id: ask.id, refusal, ..Told::default() };
                    frames::push(&mut bytes, Body::Told(told));
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            },
            Some(Ok(told)) = answers.join_next() => frames::push(&mut bytes, Body::Told(told)),
        }
        write(&mut send, &bytes).await?;
    }
}

fn answer(hello: &Hello, group: &Group) -> Body {
    let refused = |why: String, is_removed| Body::Refused(Refused { why, is_removed });
    let standing = group.standing();
    if hello.version != VERSION {
        let why = format!("it speaks version {VERSION} and not {}", hello.version);
        return refused(why, false);
    }
    if hello.cluster_id == 0 {
        let members = group.with_membership(|members| members.encode());
        return Body::Welcome(Welcome { members });
    }
    if hello.cluster_id != standing.cluster_id {
        let (own, other) = (standing.cluster_id, hello.cluster_id);
        return refused(
            format!("cluster ID mismatch: it is {own:x} and not {other:x}"),
            false,
        );
    }
    if group.with_membership(|members| members.is_removed(hello.from)) {
        return refused(
            "the member has been permanently removed from the cluster".to_owned(),
            true,
        );
    }
    if hello.to != standing.member_id {
        let (own, other) = (standing.member_id, hello.to);
        return refused(
            format!("member ID mismatch: it is {own:x} and not {other:x}"),
            false,
        );
    }
    Body::Welcome(Welcome::default())
}

async fn raft(bytes: &[u8], hello: &Hello, events: &mpsc::Sender<Event>) -> io::Result<()> {
    let message = Message::decode(bytes).map_err(io::Error::other)?;
    if (message.from, message.to) != (hello.from, hello.to) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let sent = events.send(Event::Raft(Box::new(message))).await;
    sent.map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

/// Answers a question that only the leader answers.
async fn tell(ask: Ask, group: &Group) -> Told {
    let id = ask.id;
    group.tell(ask).await.unwrap_or_else(|refusal| Told {
        id,
        refusal: Some(refusal.to_string()),
        ..Told::default()
    })
}
