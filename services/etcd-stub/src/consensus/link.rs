//! The connection to another member: made again and again, for what this one has to say.
//!
//! What cannot be sent is dropped, because Raft repeats. Deadlines are etcd's (`rafthttp`): the network is
//! given up after 5 s of silence, and tried ten times a second.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prost_raft::Message as _;
use raft::eraftpb::{Message, MessageType};
use squall_host::net::{Net, TcpStream};
use squall_host::output::Output;
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::frames::{self, Ask, Body, Hello, Part, Reader, Told, VERSION, Welcome};
use super::peers::Event;

/// Without a sign of life for so long, a connection is given up (etcd: `ConnReadTimeout`, `ConnWriteTimeout`).
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// Between two questions whether the other is there.
const PING: Duration = Duration::from_secs(1);
/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// A piece of a snapshot. Other messages go between two of them.
const PART_BYTES: usize = 256 << 10;
/// What is written in one step.
const BATCH_BYTES: usize = 256 << 10;

/// Something for another member.
pub(super) enum Outgoing {
    Raft(Box<Message>),
    Ask(Ask, oneshot::Sender<Told>),
}

/// Since when which members can be talked to.
#[derive(Clone, Default)]
pub(super) struct Active(Arc<Mutex<BTreeMap<u64, Instant>>>);

impl Active {
    pub(super) fn since(&self, id: u64) -> Option<Instant> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&id)
            .copied()
    }

    pub(super) fn set(&self, id: u64, since: Option<Instant>) {
        let mut active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match since {
            Some(since) => active.insert(id, since),
            None => active.remove(&id),
        };
    }
}

/// Where to reach a member, and for whom.
pub(super) struct Link {
    pub(super) net: Net,
    pub(super) out: Output,
    pub(super) cluster_id: u64,
    pub(super) from: u64,
    pub(super) to: u64,
    /// Hosts and ports; names are resolved at each attempt.
    pub(super) targets: Vec<(String, u16)>,
    pub(super) dial_timeout: Duration,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) active: Active,
}

/// How a connection ended.
enum Ended {
    Broken(io::Error),
    /// Nobody will send any more.
    Closed,
}

impl Link {
    /// Sends what comes until nothing can come any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Outgoing>) {
        let mut complaint = String::new();
        loop {
            let dial = self.dial();
            tokio::pin!(dial);
            let dialed = loop {
                tokio::select! { biased;
                    dialed = &mut dial => break dialed,
                    unsent = queue.recv() => match unsent {
                        Some(unsent) => self.drop_unsent(unsent).await,
                        None => return,
                    },
                }
            };
            let error = match dialed {
                Ok(Some(stream)) => {
                    complaint.clear();
                    self.active.set(self.to, Some(Instant::now()));
                    self.tell(Event::Connected).await;
                    let ended = Pump::new(&self, stream).run(&mut queue).await;
                    self.active.set(self.to, None);
                    match ended {
                        Ended::Closed => return,
                        Ended::Broken(error) => error,
                    }
                }
                Ok(None) => {
                    self.tell(Event::Removed).await;
                    return;
                }
                Err(error) => error,
            };
            // One line for each new trouble, and not ten a second.
            let text = format!("etcd: cannot talk to member {:x}: {error}", self.to);
            if text != complaint {
                self.out.line(&text);
                complaint = text;
            }
            self.tell(Event::Unreachable(self.to)).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn tell(&self, event: Event) {
        // The member is ending if nobody listens.
        let _ = self.events.send(event).await;
    }

    async fn drop_unsent(&self, unsent: Outgoing) {
        if let Outgoing::Raft(message) = unsent
            && message.get_msg_type() == MessageType::MsgSnapshot
        {
            self.tell(Event::Snapshot(self.to, false)).await;
        }
    }

    /// A connection that the other has welcomed; `None` if it says that this member was removed.
    async fn dial(&self) -> io::Result<Option<TcpStream>> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "it has no peer URL");
        for (host, port) in &self.targets {
            let hello = Hello {
                version: VERSION,
                cluster_id: self.cluster_id,
                from: self.from,
                to: self.to,
            };
            match timeout(self.dial_timeout, greet(&self.net, host, *port, hello)).await {
                Ok(Ok((stream, Body::Welcome(_)))) => return Ok(Some(stream)),
                Ok(Ok((_, Body::Refused(refused)))) if refused.is_removed => return Ok(None),
                Ok(Ok((_, Body::Refused(refused)))) => last = io::Error::other(refused.why),
                Ok(Ok(_)) => last = io::Error::other("it answers something else"),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

/// Connects, says hello, and has the answer.
async fn greet(net: &Net, host: &str, port: u16, hello: Hello) -> io::Result<(TcpStream, Body)> {
    let mut stream = net.connect_name(host, port).await?;
    // What is sent and not acknowledged says that the other is gone before our own deadline may.
    stream.set_user_timeout(SILENCE)?;
    let mut bytes = Vec::new();
    frames::push(&mut bytes, Body::Hello(hello));
    stream.write_all(&bytes).await?;
    let answer = Reader::default().next(&mut stream).await?;
    Ok((stream, answer))
}

/// Who belongs to a group, as one of its members says, asked by one that has no number yet.
pub(super) async fn ask_members(
    net: &Net,
    host: &str,
    port: u16,
    deadline: Duration,
) -> io::Result<Vec<u8>> {
    let hello = Hello {
        version: VERSION,
        ..Hello::default()
    };
    match timeout(deadline, greet(net, host, port, hello)).await {
        Ok(Ok((_, Body::Welcome(Welcome { members })))) => Ok(members),
        Ok(Ok((_, Body::Refused(refused)))) => Err(io::Error::other(refused.why)),
        Ok(Ok(_)) => Err(io::Error::other("it answers something else")),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// One connection at work.
struct Pump<'a> {
    link: &'a Link,
    read: ReadHalf<TcpStream>,
    write: WriteHalf<TcpStream>,
    questions: BTreeMap<u64, oneshot::Sender<Told>>,
    asked: u64,
    /// A message with a snapshot, and how much of it is sent.
    snapshot: Option<(Vec<u8>, usize)>,
    heard: Instant,
}

impl<'a> Pump<'a> {
    fn new(link: &'a Link, stream: TcpStream) -> Self {
        let (read, write) = tokio::io::split(stream);
        Self {
            link,
            read,
            write,
            questions: BTreeMap::new(),
            asked: 0,
            snapshot: None,
            heard: Instant::now(),
        }
    }

    async fn run(mut self, queue: &mut mpsc::Receiver<Outgoing>) -> Ended {
        let ended = self.pump(queue).await;
        if self.snapshot.is_some() {
            self.link.tell(Event::Snapshot(self.link.to, false)).await;
        }
        match ended {
            Ok(()) => Ended::Closed,
            Err(error) => Ended::Broken(error),
        }
    }

    async fn pump(&mut self, queue: &mut mpsc::Receiver<Outgoing>) -> io::Result<()> {
        let mut reader = Reader::default();
        let mut pings = tokio::time::interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut bytes = Vec::new();
            tokio::select! { biased;
                frame = reader.next(&mut self.read) => self.hear(frame?),
                next = queue.recv() => {
                    let Some(next) = next else { return Ok(()) };
                    self.push(&mut bytes, next).await;
                    while bytes.len() < BATCH_BYTES && let Ok(next) = queue.try_recv() {
                        self.push(&mut bytes, next).await;
                    }
                }
                _ = pings.tick() => {
                    if self.heard.elapsed() > SILENCE {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    self.questions.retain(|_, answer| !answer.is_closed());
                    frames::push(&mut bytes, Body::Ping(0));
                }
                () = std::future::ready(()), if self.snapshot.is_some() => {
                    self.push_part(&mut bytes);
                }
            }
            write(&mut self.write, &bytes).await?;
            if let Some((whole, sent)) = &self.snapshot
                && *sent == whole.len()
            {
                self.snapshot = None;
                self.link.tell(Event::Snapshot(self.link.to, true)).await;
            }
        }
    }

    fn hear(&mut self, body: Body) {
        self.heard = Instant::now();
        if let Body::Told(told) = body
            && let Some(answer) = self.questions.remove(&told.id)
        {
            // Whoever asked may have gone.
            let _ = answer.send(told);
        }
    }

    async fn push(&mut self, bytes: &mut Vec<u8>, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Raft(message) => {
                let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
                let encoded = message.encode_to_vec();
                match is_snapshot {
                    false => frames::push(bytes, Body::Raft(encoded)),
                    true if self.snapshot.is_some() => {
                        self.link.tell(Event::Snapshot(self.link.to, false)).await;
                    }
                    true => self.snapshot = Some((encoded, 0)),
                }
            }
            Outgoing::Ask(mut ask, answer) => {
                self.asked += 1;
                ask.id = self.asked;
                self.questions.insert(ask.id, answer);
                frames::push(bytes, Body::Ask(ask));
            }
        }
    }

    fn push_part(&mut self, bytes: &mut Vec<u8>) {
        if let Some((whole, sent)) = &mut self.snapshot {
            let end = whole.len().min(*sent + PART_BYTES);
            let part = Part {
                bytes: whole[*sent..end].to_vec(),
                is_last: end == whole.len(),
            };
            *sent = end;
            frames::push(bytes, Body::Part(part));
        }
    }
}

/// Writes within the deadline.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    match timeout(SILENCE, stream.write_all(bytes)).await {
        Ok(written) => written,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
