//! Before a session: encryption refused, cancel requests, who is it, may it come in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::{BufMut, Bytes};
use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::startup::{
    Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus,
    PasswordMessageFamily, SecretKey,
};
use rand::Rng as _;

use super::{Session, Stop, terminated};
use crate::engine::context::{lock, wall_us};
use crate::engine::database::Database;
use crate::error::PgError;
use crate::frame::{Opening, Phase};
use crate::hba::Method;
use crate::registry::Place;
use crate::replication::sender::SenderStatus;
use crate::scram::{Exchange, Verifier};
use crate::server::{Role, Server};
use crate::settings;
use crate::wire::Wire;

/// Settings that the client is told of, at first and when they change (manual, 55.2.7).
pub(super) const REPORTED: &[&str] = &[
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "server_encoding",
    "server_version",
    "standard_conforming_strings",
    "TimeZone",
];
/// The longest name that a session may give itself (`NAMEDATALEN` - 1).
const APPLICATION_NAME_MAX: usize = 63;

/// A client that may have a session.
pub(super) struct Admitted {
    pub(super) user: String,
    pub(super) database: Arc<Database>,
    pub(super) settings: BTreeMap<String, String>,
    /// The database's name where it wants to follow the log; empty where it named none.
    pub(super) follows: Option<String>,
}

/// Takes a new connection up to the end of authentication, within `authentication_timeout`.
/// `None` for a connection that wanted something else and is served.
pub(super) async fn admit(
    server: &Arc<Server>,
    wire: &mut Wire,
    place: &Place,
    local: SocketAddr,
    peer: SocketAddr,
) -> Result<Option<Admitted>, Stop> {
    let limit = server.config.time_ms("authentication_timeout").max(1000) as u64;
    let mut signals = place.signals.clone();
    let handshake = async {
        tokio::select! {
            biased;
            _ = signals.wait_for(|s| s.terminate) => Err(Stop::Error(terminated())),
            admitted = handshake(server, wire, place, local, peer) => admitted,
        }
    };
    match tokio::time::timeout(Duration::from_millis(limit), handshake).await {
        Ok(admitted) => admitted,
        // PostgreSQL says nothing to a client that was too slow; it closes.
        Err(_) => {
            server.log(
                place.pid,
                "FATAL",
                "canceling authentication due to timeout",
            );
            Ok(None)
        }
    }
}

async fn handshake(
    server: &Arc<Server>,
    wire: &mut Wire,
    place: &Place,
    local: SocketAddr,
    peer: SocketAddr,
) -> Result<Option<Admitted>, Stop> {
    let mut refused = 0;
    let (minor, parameters) = loop {
        match wire.opening().await?? {
            Opening::Encryption if refused < 2 => {
                refused += 1;
                wire.output.put_u8(b'N');
                wire.flush().await?;
            }
            Opening::Encryption => {
                return Err(PgError::protocol("unsupported frontend protocol 1234.5679").into());
            }
            Opening::Cancel { pid, secret } => {
                server.registry.cancel(pid, Some(secret));
                return Ok(None);
            }
            Opening::Startup { minor, parameters } => break (minor, parameters),
        }
    };
    let wanted = Wanted::read(&parameters)?;
    match wanted.replication {
        Replication::No => server.registry.admit(place.pid)?,
        _ => server.registry.admit_sender(place.pid)?,
    }
    if minor > 0 || !wanted.unknown_options.is_empty() {
        wire.put(&NegotiateProtocolVersion::new(
            0,
            wanted.unknown_options.clone(),
        ));
    }
    let role = authenticate(server, wire, &wanted, local, peer).await?;
    if !role.login {
        return Err(PgError::fatal(
            "28000",
            format!("role \"{}\" is not permitted to log in", wanted.user),
        )
        .into());
    }
    server
        .registry
        .name(place.pid, &wanted.user, &wanted.database, role.superuser)?;
    let follows = follow(server, place.pid, &wanted, &role, peer)?;
    let name = match wanted.replication {
        // It is in no database; what there is to be known of one, it knows of this.
        Replication::Physical => "postgres",
        _ => &wanted.database,
    };
    let database = server.database(name).ok_or_else(|| {
        PgError::fatal(
            "3D000",
            format!("database \"{}\" does not exist", wanted.database),
        )
    })?;
    if server
        .config
        .settings
        .get("log_connections")
        .and_then(|v| settings::parse_bool(v))
        == Some(true)
    {
        let message = format!(
            "connection authorized: user={} database={}",
            wanted.user, wanted.database
        );
        server.log(place.pid, "LOG", &message);
    }
    Ok(Some(Admitted {
        user: wanted.user,
        database,
        settings: wanted.settings,
        follows,
    }))
}

/// Notes one that wants to follow the log, if it may.
fn follow(
    server: &Server,
    pid: i32,
    wanted: &Wanted,
    role: &Role,
    peer: SocketAddr,
) -> Result<Option<String>, PgError> {
    let database = match wanted.replication {
        Replication::No => return Ok(None),
        Replication::Physical => String::new(),
        Replication::Database => wanted.database.clone(),
    };
    if !role.superuser && !role.replication {
        return Err(PgError::fatal(
            "42501",
            "must be superuser or replication role to start walsender",
        ));
    }
    let application = wanted.settings.get("application_name");
    let status = SenderStatus {
        user: wanted.user.clone(),
        user_oid: role.oid,
        application: application.cloned().unwrap_or_default(),
        peer: Some(peer),
        started_us: wall_us(),
        ..SenderStatus::default()
    };
    let most = server.config.number("max_wal_senders").max(0) as usize;
    server.senders.enter(pid, status, most)?;
    Ok(Some(database))
}

/// The parameter `replication` of a startup packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replication {
    /// An ordinary session.
    #[default]
    No,
    /// `true`: the log, and no SQL.
    Physical,
    /// `database`: SQL as well.
    Database,
}

/// What a startup packet asks for.
struct Wanted {
    user: String,
    database: String,
    settings: BTreeMap<String, String>,
    unknown_options: Vec<String>,
    replication: Replication,
}

impl Wanted {
    fn read(parameters: &[(String, String)]) -> Result<Self, PgError> {
        let mut user = String::new();
        let mut database = String::new();
        let mut asked = Vec::new();
        let mut unknown_options = Vec::new();
        let mut replication = Replication::No;
        for (name, value) in parameters {
            match name.as_str() {
                "user" => user.clone_from(value),
                "database" => database.clone_from(value),
                "replication" => {
                    replication = match (value.as_str(), settings::parse_bool(value)) {
                        ("database", _) => Replication::Database,
                        (_, Some(true)) => Replication::Physical,
                        (_, Some(false)) => Replication::No,
                        _ => {
                            return Err(PgError::fatal(
                                "22023",
                                format!("invalid value for parameter \"replication\": \"{value}\""),
                            )
                            .hint("Valid values are: \"false\", 0, \"true\", 1, \"database\"."));
                        }
                    };
                }
                "options" => asked.extend(command_line(value)?),
                name if name.starts_with("_pq_.") => unknown_options.push(name.to_owned()),
                name => asked.push((name.to_owned(), value.clone())),
            }
        }
        if user.is_empty() {
            return Err(PgError::fatal(
                "28000",
                "no PostgreSQL user name specified in startup packet",
            ));
        }
        if database.is_empty() {
            database.clone_from(&user);
        }
        let mut changed = BTreeMap::new();
        for (name, mut value) in asked {
            let fatal = |error: PgError| PgError {
                severity: crate::error::Severity::Fatal,
                ..error
            };
            settings::check(&name, &value).map_err(fatal)?;
            let key = name.to_ascii_lowercase();
            match key.as_str() {
                "application_name" => value = value.chars().take(APPLICATION_NAME_MAX).collect(),
                "client_encoding" => "UTF8".clone_into(&mut value),
                "timezone" => "UTC".clone_into(&mut value),
                "datestyle" => "ISO, MDY".clone_into(&mut value),
                _ => {}
            }
            changed.insert(key, value);
        }
        Ok(Self {
            user,
            database,
            settings: changed,
            unknown_options,
            replication,
        })
    }
}

/// The `options` parameter: `-c name=value --name=value`.
fn command_line(options: &str) -> Result<Vec<(String, String)>, PgError> {
    let mut list = Vec::new();
    let mut words = options.split_whitespace();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next().unwrap_or_default(),
            word => word
                .strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .unwrap_or_default(),
        };
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            PgError::fatal(
                "42601",
                format!("invalid command-line argument for server process: {word}"),
            )
        })?;
        list.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(list)
}

async fn authenticate(
    server: &Server,
    wire: &mut Wire,
    wanted: &Wanted,
    local: SocketAddr,
    peer: SocketAddr,
) -> Result<Role, Stop> {
    let (user, database) = (&wanted.user, &wanted.database);
    let physical = wanted.replication == Replication::Physical;
    let entry = |what: &str| {
        let ip = peer.ip().to_canonical();
        let said = match physical {
            true => format!(
                "{what} for replication connection from host \"{ip}\", user \"{user}\", no encryption"
            ),
            false => format!(
                "{what} for host \"{ip}\", user \"{user}\", database \"{database}\", no encryption"
            ),
        };
        PgError::fatal("28000", said)
    };
    let role = server.role(user);
    let wrong_password = || {
        PgError::fatal(
            "28P01",
            format!("password authentication failed for user \"{user}\""),
        )
    };
    let database = (!physical).then_some(database.as_str());
    match server.hba().method(peer, local, database, user) {
        None => return Err(entry("no pg_hba.conf entry").into()),
        Some(Method::Reject) => return Err(entry("pg_hba.conf rejects connection").into()),
        Some(Method::Trust) => {}
        Some(Method::Scram) => {
            let verifier = role.as_ref().and_then(|role| role.verifier.clone());
            let verifier = verifier.unwrap_or_else(|| Verifier::impossible(user));
            if !scram(server, wire, verifier).await? {
                return Err(wrong_password().into());
            }
        }
        Some(Method::Password) => {
            wire.put(&Authentication::CleartextPassword);
            wire.flush().await?;
            let given = password_message(wire)
                .await?
                .into_password()
                .map_err(|error| PgError::protocol(error.to_string()))?;
            let fits = role
                .as_ref()
                .and_then(|role| role.verifier.as_ref())
                .is_some_and(|verifier| verifier.fits(&given.password));
            if !fits {
                return Err(wrong_password().into());
            }
        }
    }
    role.ok_or_else(|| PgError::fatal("28000", format!("role \"{user}\" does not exist")).into())
}

async fn password_message(wire: &mut Wire) -> Result<PasswordMessageFamily, Stop> {
    match wire.message(Phase::Authentication).await?? {
        PgWireFrontendMessage::PasswordMessageFamily(message) => Ok(message),
        _ => Err(PgError::protocol("expected password response").into()),
    }
}

/// The body of a password message.
fn raw(message: PasswordMessageFamily) -> Result<Bytes, PgError> {
    match message {
        PasswordMessageFamily::Raw(body) => Ok(body.freeze()),
        _ => Err(PgError::protocol("expected SASL response")),
    }
}

async fn scram(server: &Server, wire: &mut Wire, verifier: Verifier) -> Result<bool, Stop> {
    wire.put(&Authentication::SASL(vec!["SCRAM-SHA-256".to_owned()]));
    wire.flush().await?;
    let body = raw(password_message(wire).await?)?;
    let malformed = || PgError::protocol("malformed SASL initial response");
    let end = body.iter().position(|b| *b == 0).ok_or_else(malformed)?;
    if &body[..end] != b"SCRAM-SHA-256" {
        return Err(
            PgError::protocol("client selected an invalid SASL authentication mechanism").into(),
        );
    }
    // The length of the message that follows, -1 for none.
    let message = body.get(end + 5..).ok_or_else(malformed)?;
    let mut nonce = [0u8; 18];
    lock(&server.facts.random).fill_bytes(&mut nonce);
    let nonce = base64::engine::general_purpose::STANDARD.encode(nonce);
    let (exchange, server_first) = Exchange::start(verifier, message, &nonce)?;
    wire.put(&Authentication::SASLContinue(Bytes::from(server_first)));
    wire.flush().await?;
    let last = raw(password_message(wire).await?)?;
    match exchange.finish(&last)? {
        None => Ok(false),
        Some(server_final) => {
            wire.put(&Authentication::SASLFinal(Bytes::from(server_final)));
            Ok(true)
        }
    }
}

/// The messages with which a session begins.
pub(super) fn greet(session: &mut Session, secret: i32) {
    let pid = session.pid;
    let settings = session.context.settings.clone();
    let user = session.context.session.user.clone();
    let superuser = session
        .server
        .role(&user)
        .is_some_and(|role| role.superuser);
    let recovery = session.server.facts.in_recovery();
    let wire = session.wire();
    wire.put(&Authentication::Ok);
    for name in REPORTED {
        let value = match *name {
            "in_hot_standby" if recovery => "on".to_owned(),
            name => settings::lookup(&settings, name).unwrap_or_default(),
        };
        wire.put(&ParameterStatus::new((*name).to_owned(), value));
    }
    let flag = if superuser { "on" } else { "off" };
    wire.put(&ParameterStatus::new(
        "is_superuser".to_owned(),
        flag.to_owned(),
    ));
    wire.put(&ParameterStatus::new(
        "session_authorization".to_owned(),
        user,
    ));
    wire.put(&BackendKeyData::new(pid, SecretKey::I32(secret)));
    session.ready();
}
