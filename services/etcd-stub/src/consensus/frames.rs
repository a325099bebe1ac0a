//! What members say to each other: frames on TCP, each with its length before it.
//!
//! Our own format and not etcd's (HTTP streams of its protobuf): only our members speak it. Deliberately
//! absent: TLS, compression.

use std::io;

use bytes::{Buf, BytesMut};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Of the format. Members of different versions refuse each other.
pub(super) const VERSION: u32 = 1;

/// The longest frame. Raft's messages are of about 1 MiB, or of one entry that is longer; snapshots are cut.
const FRAME_BYTES_MAX: usize = 64 << 20;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Frame {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9")]
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Body {
    /// The first frame of a connection.
    #[prost(message, tag = "1")]
    Hello(Hello),
    /// The answer to it.
    #[prost(message, tag = "2")]
    Welcome(Welcome),
    /// The other answer, and the last frame.
    #[prost(message, tag = "3")]
    Refused(Refused),
    /// A message of Raft.
    #[prost(bytes, tag = "4")]
    Raft(Vec<u8>),
    /// A part of a message of Raft that has a snapshot.
    #[prost(message, tag = "5")]
    Part(Part),
    /// Answered with the same number.
    #[prost(uint64, tag = "6")]
    Ping(u64),
    #[prost(uint64, tag = "7")]
    Pong(u64),
    #[prost(message, tag = "8")]
    Ask(Ask),
    #[prost(message, tag = "9")]
    Told(Told),
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Hello {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// 0 if it only wants to know who belongs to the group.
    #[prost(uint64, tag = "2")]
    pub(super) cluster_id: u64,
    #[prost(uint64, tag = "3")]
    pub(super) from: u64,
    #[prost(uint64, tag = "4")]
    pub(super) to: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Welcome {
    /// Who belongs to the group, if that was asked.
    #[prost(bytes = "vec", tag = "1")]
    pub(super) members: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Refused {
    #[prost(string, tag = "1")]
    pub(super) why: String,
    /// Whether whoever asks was removed from the group.
    #[prost(bool, tag = "2")]
    pub(super) is_removed: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Part {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) bytes: Vec<u8>,
    #[prost(bool, tag = "2")]
    pub(super) is_last: bool,
}

/// A question to the leader.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Ask {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    #[prost(enumeration = "Topic", tag = "2")]
    pub(super) topic: i32,
    /// The lease, or the member.
    #[prost(uint64, tag = "3")]
    pub(super) subject: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Topic {
    Renew = 0,
    LeaseTime = 1,
    Promote = 2,
}

/// The answer to a question.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Told {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// A refusal's text.
    #[prost(string, optional, tag = "2")]
    pub(super) refusal: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub(super) granted_s: Option<i64>,
    #[prost(int64, tag = "4")]
    pub(super) left_s: i64,
}

/// A frame as bytes, appended.
pub(super) fn push(bytes: &mut Vec<u8>, body: Body) {
    let frame = Frame { body: Some(body) };
    let length = frame.encoded_len() as u32;
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend(frame.encode_to_vec());
}

/// Reads frames.
#[derive(Default)]
pub(super) struct Reader(BytesMut);

impl Reader {
    /// The next frame. Cancel safe. An end is an error (`UnexpectedEof`), and what is no frame as well.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Body> {
        loop {
            if let Some(body) = self.parse()? {
                return Ok(body);
            }
            if stream.read_buf(&mut self.0).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn parse(&mut self) -> io::Result<Option<Body>> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        let Some(length) = self.0.first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(invalid(format!("a frame of {length} bytes")));
        }
        if self.0.len() < 4 + length {
            return Ok(None);
        }
        self.0.advance(4);
        let frame = Frame::decode(self.0.split_to(length));
        let frame = frame.map_err(|error| invalid(error.to_string()))?;
        let body = frame.body;
        body.map(Some)
            .ok_or_else(|| invalid("a frame of an unknown kind".to_owned()))
    }
}
