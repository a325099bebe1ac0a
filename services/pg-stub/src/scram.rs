//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side, without channel binding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::error::PgError;

/// How often a password is hashed. PostgreSQL 15 does it 4,096 times, to make guessing expensive; the
/// client does it, too, for each connection, and that was three quarters of the time of a run in which
/// each request opens one. Nobody guesses a double's passwords, and nothing else depends on the number.
pub const ITERATIONS: u32 = 2;

type Key = [u8; 32];

/// What the server keeps of a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    salt: [u8; 16],
    stored_key: Key,
    server_key: Key,
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn hash(data: &[u8]) -> Key {
    Sha256::digest(data).into()
}

impl Verifier {
    /// How long it is as bytes.
    pub const BYTES: usize = 80;

    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.salt[..], &self.stored_key, &self.server_key].concat()
    }

    /// Back; `None` when their number is another.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            salt: bytes.get(..16)?.try_into().ok()?,
            stored_key: bytes.get(16..48)?.try_into().ok()?,
            server_key: bytes.get(48..)?.try_into().ok()?,
        })
    }

    /// Of a password. The salt comes from the name and the password and not from chance, so that
    /// two runs of one configuration say the same on the wire.
    pub fn new(user: &str, password: &str) -> Self {
        let mut salt = [0; 16];
        let material = format!("pg-stub\0{user}\0{password}");
        salt.copy_from_slice(&hash(material.as_bytes())[..16]);
        let prepared = stringprep::saslprep(password)
            .map_or_else(|_| password.to_owned(), |text| text.into_owned());
        let salted = salted_password(prepared.as_bytes(), &salt);
        let client_key = hmac(&salted, &[b"Client Key"]);
        Self {
            salt,
            stored_key: hash(&client_key),
            server_key: hmac(&salted, &[b"Server Key"]),
        }
    }

    /// One that no password fits, for users who are not there: they learn nothing from the exchange.
    pub fn impossible(user: &str) -> Self {
        let mut salt = [0; 16];
        salt.copy_from_slice(&hash(format!("pg-stub nobody\0{user}").as_bytes())[..16]);
        Self {
            salt,
            stored_key: [0; 32],
            server_key: [0; 32],
        }
    }

    /// Whether a password sent in clear is the one.
    pub fn fits(&self, password: &str) -> bool {
        let prepared = stringprep::saslprep(password)
            .map_or_else(|_| password.to_owned(), |text| text.into_owned());
        let salted = salted_password(prepared.as_bytes(), &self.salt);
        hash(&hmac(&salted, &[b"Client Key"])) == self.stored_key
    }
}

/// PBKDF2 of one block.
fn salted_password(password: &[u8], salt: &[u8]) -> Key {
    let keyed = <Hmac<Sha256> as KeyInit>::new_from_slice(password)
        .expect("HMAC takes a key of any length");
    let round = |data: &[&[u8]]| -> Key {
        let mut mac = keyed.clone();
        for part in data {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    };
    let mut block = round(&[salt, &1u32.to_be_bytes()]);
    let mut result = block;
    for _ in 1..ITERATIONS {
        block = round(&[&block]);
        for (sum, byte) in result.iter_mut().zip(block) {
            *sum ^= byte;
        }
    }
    result
}

/// An exchange after the client's first message.
pub struct Exchange {
    verifier: Verifier,
    header: String,
    client_first: String,
    server_first: String,
    nonce: String,
}

fn malformed(detail: &str) -> PgError {
    PgError::fatal("08P01", "malformed SCRAM message").detail(detail)
}

impl Exchange {
    /// Takes the client's first message; gives the exchange and the server's first.
    pub fn start(
        verifier: Verifier,
        message: &[u8],
        server_nonce: &str,
    ) -> Result<(Self, String), PgError> {
        let text =
            std::str::from_utf8(message).map_err(|_| malformed("The message is not UTF-8."))?;
        let header_end = text
            .match_indices(',')
            .nth(1)
            .map(|(at, _)| at + 1)
            .ok_or_else(|| malformed("The channel-binding header is missing."))?;
        let (header, bare) = text.split_at(header_end);
        match header.as_bytes().first() {
            Some(b'n' | b'y') => {}
            Some(b'p') => {
                return Err(PgError::fatal(
                    "08P01",
                    "client requires SCRAM channel binding, but it is not supported",
                ));
            }
            _ => return Err(malformed("Unexpected channel-binding flag.")),
        }
        let nonce = bare
            .split(',')
            .find_map(|part| part.strip_prefix("r="))
            .filter(|nonce| !nonce.is_empty() && nonce.bytes().all(|b| (0x21..=0x7e).contains(&b)))
            .ok_or_else(|| malformed("The nonce is missing or not printable."))?;
        let nonce = format!("{nonce}{server_nonce}");
        let server_first = format!(
            "r={nonce},s={},i={ITERATIONS}",
            STANDARD.encode(verifier.salt)
        );
        Ok((
            Self {
                verifier,
                header: header.to_owned(),
                client_first: bare.to_owned(),
                server_first: server_first.clone(),
                nonce,
            },
            server_first,
        ))
    }

    /// Takes the client's last message; gives the server's, or `None` for a wrong password.
    pub fn finish(&self, message: &[u8]) -> Result<Option<String>, PgError> {
        let text =
            std::str::from_utf8(message).map_err(|_| malformed("The message is not UTF-8."))?;
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or_else(|| malformed("The proof is missing."))?;
        let mut parts = without_proof.split(',');
        let binding = parts.next().and_then(|part| part.strip_prefix("c="));
        if binding != Some(STANDARD.encode(&self.header).as_str()) {
            return Err(malformed("The channel binding does not match."));
        }
        let nonce = parts.next().and_then(|part| part.strip_prefix("r="));
        if nonce != Some(self.nonce.as_str()) {
            return Err(malformed("The nonce does not match."));
        }
        let proof: Key = STANDARD
            .decode(proof)
            .ok()
            .and_then(|proof| proof.try_into().ok())
            .ok_or_else(|| malformed("The proof is malformed."))?;
        let message = format!(
            "{},{},{without_proof}",
            self.client_first, self.server_first
        );
        let signature = hmac(&self.verifier.stored_key, &[message.as_bytes()]);
        let mut client_key = proof;
        for (byte, mask) in client_key.iter_mut().zip(signature) {
            *byte ^= mask;
        }
        if hash(&client_key) != self.verifier.stored_key {
            return Ok(None);
        }
        let server = hmac(&self.verifier.server_key, &[message.as_bytes()]);
        Ok(Some(format!("v={}", STANDARD.encode(server))))
    }
}

/// The client's side, for a standby that logs in to its primary.
pub struct Login {
    password: String,
    client_first: String,
}

impl Login {
    /// Begins; gives the exchange and the client's first message. The name goes with the startup
    /// packet, so it is empty here, as libpq leaves it.
    pub fn start(password: &str, nonce: &str) -> (Self, String) {
        let client_first = format!("n=,r={nonce}");
        let message = format!("n,,{client_first}");
        let password = password.to_owned();
        let login = Self {
            password,
            client_first,
        };
        (login, message)
    }

    /// Answers the server's first message; gives the client's last and what the server must say then.
    pub fn answer(&self, server_first: &str) -> Result<(String, String), PgError> {
        let part = |name: &str| server_first.split(',').find_map(|p| p.strip_prefix(name));
        let (nonce, salt, rounds) = (part("r="), part("s="), part("i="));
        let own = self.client_first.strip_prefix("n=,r=").unwrap_or_default();
        let nonce = nonce.filter(|nonce| nonce.starts_with(own));
        let salt = salt.and_then(|salt| STANDARD.decode(salt).ok());
        let (Some(nonce), Some(salt), Some(rounds)) = (nonce, salt, rounds) else {
            return Err(malformed("The server's first message."));
        };
        if rounds.parse() != Ok(ITERATIONS) {
            return Err(malformed("The number of iterations."));
        }
        let prepared = stringprep::saslprep(&self.password)
            .map_or_else(|_| self.password.clone(), |text| text.into_owned());
        let salted = salted_password(prepared.as_bytes(), &salt);
        let without_proof = format!("c={},r={nonce}", STANDARD.encode("n,,"));
        let message = format!("{},{server_first},{without_proof}", self.client_first);
        let mut proof = hmac(&salted, &[b"Client Key"]);
        let signature = hmac(&hash(&proof), &[message.as_bytes()]);
        for (byte, mask) in proof.iter_mut().zip(signature) {
            *byte ^= mask;
        }
        let server_key = hmac(&salted, &[b"Server Key"]);
        let server = hmac(&server_key, &[message.as_bytes()]);
        Ok((
            format!("{without_proof},p={}", STANDARD.encode(proof)),
            format!("v={}", STANDARD.encode(server)),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn no_message_panics(first in proptest::collection::vec(proptest::num::u8::ANY, 0..80),
                             last in "[cnrp=,a-z]{0,40}") {
            let verifier = Verifier::impossible("x");
            let _ = Exchange::start(verifier.clone(), &first, "nonce");
            let (exchange, _) = Exchange::start(verifier, b"n,,n=,r=abc", "nonce").unwrap();
            proptest::prop_assert!(!matches!(exchange.finish(last.as_bytes()), Ok(Some(_))));
        }
    }

    #[test]
    fn both_sides_agree_on_the_password_only() {
        let verifier = Verifier::new("repl", "secret");
        let again = Verifier::from_bytes(&verifier.to_bytes());
        assert_eq!(again.as_ref(), Some(&verifier));
        for (password, fits) in [("secret", true), ("other", false)] {
            let (login, first) = Login::start(password, "abc");
            let (exchange, server_first) =
                Exchange::start(verifier.clone(), first.as_bytes(), "xyz").unwrap();
            let (last, expected) = login.answer(&server_first).unwrap();
            let said = exchange.finish(last.as_bytes()).unwrap();
            assert_eq!(said, fits.then_some(expected));
        }
    }

    #[test]
    fn a_clear_password_is_told_from_another() {
        let verifier = Verifier::new("postgres", "secret");
        assert!(verifier.fits("secret"));
        assert!(!verifier.fits("Secret"));
        assert!(!Verifier::impossible("postgres").fits(""));
    }
}
