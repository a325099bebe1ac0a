//! One message from a client: bounded before it is buffered, checked before it is decoded.
//!
//! `pgwire`'s decoders take what they are given on trust and panic on a truncated body, so every
//! body is walked here first.

use bytes::{Buf, BytesMut};
use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};

use crate::error::PgError;
use crate::sql::parse::STATEMENT_BYTES_MAX;
use crate::value::binary::utf8;

/// The longest startup packet (PostgreSQL's `MAX_STARTUP_PACKET_LENGTH`).
pub const STARTUP_BYTES_MAX: usize = 10_000;
/// The longest password or SASL message.
const PASSWORD_BYTES_MAX: usize = 4096;
/// The longest Bind, and with it the longest parameter.
const BIND_BYTES_MAX: usize = 16 << 20;
/// The longest message of any other type.
const SMALL_BYTES_MAX: usize = 10_000;

/// Whether the client has proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not yet.
    Authentication,
    /// Yes.
    Ready,
}

/// A message that [`take`] found whole.
pub type Message = PgWireFrontendMessage;

fn limit(kind: u8, phase: Phase) -> Option<usize> {
    match (phase, kind) {
        (Phase::Authentication, b'p') => Some(PASSWORD_BYTES_MAX),
        (Phase::Authentication, _) => None,
        (Phase::Ready, b'Q' | b'P') => Some(STATEMENT_BYTES_MAX + SMALL_BYTES_MAX),
        (Phase::Ready, b'B') => Some(BIND_BYTES_MAX),
        // COPY is refused, so its data can only be thrown away.
        (Phase::Ready, b'd') => Some(BIND_BYTES_MAX),
        (Phase::Ready, b'C' | b'D' | b'E' | b'H' | b'S' | b'X' | b'c' | b'f' | b'F' | b'p') => {
            Some(SMALL_BYTES_MAX)
        }
        _ => None,
    }
}

/// Takes the next message out of `input`, or `None` while it is not whole. An error is fatal,
/// except for 22021 (text that is no UTF-8), after which the message is gone and the session lives.
pub fn take(input: &mut BytesMut, phase: Phase) -> Result<Option<Message>, PgError> {
    let Some(kind) = input.first().copied() else {
        return Ok(None);
    };
    let Some(most) = limit(kind, phase) else {
        return Err(match phase {
            Phase::Authentication => PgError::protocol(format!(
                "expected password response, got message type {kind}"
            )),
            Phase::Ready => PgError::protocol(format!("invalid frontend message type {kind}")),
        });
    };
    let Some(length) = input.get(1..5) else {
        return Ok(None);
    };
    let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let Ok(length) = usize::try_from(length) else {
        return Err(PgError::protocol("invalid message length"));
    };
    if length < 4 || length > most {
        return Err(PgError::protocol("invalid message length"));
    }
    if input.len() < length + 1 {
        return Ok(None);
    }
    let mut frame = input.split_to(length + 1);
    check(kind, &frame[5..])?;
    if kind == b'F' {
        return Err(PgError::protocol(
            "fastpath function calls are not supported by pg-stub",
        ));
    }
    let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    PgWireFrontendMessage::decode(&mut frame, &context)
        .map_err(|error| PgError::protocol(error.to_string()))
}

/// Walks a body as its type says it is built.
fn check(kind: u8, body: &[u8]) -> Result<(), PgError> {
    let mut cursor = Cursor(body);
    match kind {
        b'Q' => cursor.text()?,
        b'P' => {
            cursor.text()?;
            cursor.text()?;
            let count = cursor.count()?;
            cursor.skip(count * 4)?;
        }
        b'B' => {
            cursor.text()?;
            cursor.text()?;
            let formats = cursor.count()?;
            cursor.skip(formats * 2)?;
            for _ in 0..cursor.count()? {
                match cursor.int()? {
                    -1 => {}
                    length => {
                        let length = usize::try_from(length).map_err(|_| malformed())?;
                        cursor.skip(length)?;
                    }
                }
            }
            let formats = cursor.count()?;
            cursor.skip(formats * 2)?;
        }
        b'C' | b'D' => {
            let target = cursor.byte()?;
            if !matches!(target, b'S' | b'P') {
                return Err(PgError::protocol(format!(
                    "invalid message subtype {target}"
                )));
            }
            cursor.text()?;
        }
        b'E' => {
            cursor.text()?;
            cursor.int()?;
        }
        b'f' => cursor.text()?,
        b'p' | b'd' => return Ok(()),
        _ => {}
    }
    if cursor.0.is_empty() {
        Ok(())
    } else {
        Err(PgError::protocol("invalid message format"))
    }
}

fn malformed() -> PgError {
    PgError::protocol("insufficient data left in message")
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn skip(&mut self, count: usize) -> Result<(), PgError> {
        if self.0.len() < count {
            return Err(malformed());
        }
        self.0.advance(count);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, PgError> {
        let byte = *self.0.first().ok_or_else(malformed)?;
        self.skip(1)?;
        Ok(byte)
    }

    fn count(&mut self) -> Result<usize, PgError> {
        match self.0 {
            [high, low, ..] => {
                let count = u16::from_be_bytes([*high, *low]);
                self.skip(2)?;
                Ok(count.into())
            }
            _ => Err(malformed()),
        }
    }

    fn int(&mut self) -> Result<i32, PgError> {
        match self.0 {
            [a, b, c, d, ..] => {
                let value = i32::from_be_bytes([*a, *b, *c, *d]);
                self.skip(4)?;
                Ok(value)
            }
            _ => Err(malformed()),
        }
    }

    fn text(&mut self) -> Result<(), PgError> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| PgError::protocol("invalid string in message"))?;
        utf8(&self.0[..end])?;
        self.skip(end + 1)
    }
}

/// What a new connection says first.
#[derive(Debug)]
pub enum Opening {
    /// It asks for TLS or GSSAPI.
    Encryption,
    /// It wants another session's statement cancelled.
    Cancel {
        /// The session.
        pid: i32,
        /// What proves that it may.
        secret: i32,
    },
    /// It wants a session.
    Startup {
        /// The protocol's minor version.
        minor: u16,
        /// Its parameters, in order.
        parameters: Vec<(String, String)>,
    },
}

/// Takes the first packet out of `input`, or `None` while it is not whole.
pub fn take_opening(input: &mut BytesMut) -> Result<Option<Opening>, PgError> {
    let Some(head) = input.get(..4) else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if !(8..=STARTUP_BYTES_MAX).contains(&length) {
        return Err(PgError::protocol("invalid length of startup packet"));
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut packet = input.split_to(length);
    packet.advance(4);
    let code = packet.get_u32();
    match code {
        80_877_103 | 80_877_104 if packet.is_empty() => Ok(Some(Opening::Encryption)),
        80_877_102 if packet.len() == 8 => Ok(Some(Opening::Cancel {
            pid: packet.get_i32(),
            secret: packet.get_i32(),
        })),
        80_877_102..=80_877_104 => Err(PgError::protocol("invalid length of startup packet")),
        _ => {
            let (major, minor) = ((code >> 16) as u16, code as u16);
            if major != 3 {
                return Err(PgError::fatal(
                    "0A000",
                    format!(
                        "unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"
                    ),
                ));
            }
            parameters(&packet).map(|parameters| Some(Opening::Startup { minor, parameters }))
        }
    }
}

fn parameters(packet: &[u8]) -> Result<Vec<(String, String)>, PgError> {
    let layout =
        || PgError::protocol("invalid startup packet layout: expected terminator as last byte");
    let Some((0, body)) = packet.split_last() else {
        return Err(layout());
    };
    let mut list = Vec::new();
    let mut words = body
        .split(|b| *b == 0)
        .map(|word| String::from_utf8_lossy(word).into_owned());
    loop {
        match words.next() {
            None => return Ok(list),
            Some(name) if name.is_empty() => {
                return if words.next().is_none() {
                    Ok(list)
                } else {
                    Err(layout())
                };
            }
            Some(name) => list.push((name, words.next().ok_or_else(layout)?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
                          kind in proptest::sample::select(b"QPBCDEHSXpdcf".to_vec()),
                          whole in proptest::bool::ANY) {
            if whole && bytes.len() >= 5 {
                let length = (bytes.len() - 1) as u32;
                bytes[0] = kind;
                bytes[1..5].copy_from_slice(&length.to_be_bytes());
            }
            for phase in [Phase::Authentication, Phase::Ready] {
                let mut input = BytesMut::from(bytes.as_slice());
                while let Ok(Some(_)) = take(&mut input, phase) {}
            }
            let mut input = BytesMut::from(bytes.as_slice());
            let _ = take_opening(&mut input);
        }
    }

    #[test]
    fn a_length_is_refused_before_its_bytes_come() {
        let mut input = BytesMut::from(&b"Q\x7f\xff\xff\xff"[..]);
        assert_eq!(take(&mut input, Phase::Ready).unwrap_err().code, "08P01");
        let mut input = BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]);
        assert_eq!(take_opening(&mut input).unwrap_err().code, "08P01");
    }
}
