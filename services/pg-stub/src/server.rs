//! What all sessions share: databases, roles, plans; and the loop that lets clients in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::net::{TcpListener, TcpStream};
use squall_host::planted::Planted;
use squall_host::{Host, Shutdown};
use tokio::task::JoinSet;

use crate::config::Config;
use crate::engine::context::{Recovery, ServerFacts, lock, wall_us};
use crate::engine::database::Database;
use crate::error::{Error, PgError};
use crate::registry::Registry;
use crate::scram::Verifier;
use crate::session;
use crate::sql::plan::{Prepared, RoleChange};
use crate::value::time;

/// How long sessions have to end after a request to stop.
const STOP_MAX: Duration = Duration::from_secs(5);
/// How long accepting rests after an error such as EMFILE, which would otherwise come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// The postmaster forks for each connection, one after the other: what that takes. Clients that have
/// waited for a server together come in one by one, and not all within one connection limit.
const FORK: Duration = Duration::from_millis(1);
/// Plans that are kept; when there are more, all are dropped.
const PLANS_MAX: usize = 1024;
/// Statements longer than this are not kept.
const PLAN_TEXT_MAX: usize = 8 << 10;
/// Databases that one server may have.
const DATABASES_MAX: usize = 64;

/// A role.
#[derive(Clone, Debug, Default)]
pub struct Role {
    /// Its OID.
    pub oid: u32,
    /// Its password.
    pub verifier: Option<Verifier>,
    /// LOGIN.
    pub login: bool,
    /// SUPERUSER.
    pub superuser: bool,
    /// REPLICATION.
    pub replication: bool,
}

/// What a plan depends on.
type PlanKey = (u32, String, Vec<u32>);

/// A server.
pub struct Server {
    /// What it was started with.
    pub config: Config,
    /// What its functions know.
    pub facts: Arc<ServerFacts>,
    /// Its sessions.
    pub registry: Arc<Registry>,
    /// Settings of the server, which sessions start from.
    pub settings: Arc<BTreeMap<String, String>>,
    databases: Mutex<BTreeMap<String, Arc<Database>>>,
    roles: Mutex<BTreeMap<String, Role>>,
    plans: Mutex<BTreeMap<PlanKey, (u64, Arc<Prepared>)>>,
    host: Host,
}

impl Server {
    /// A server with its first databases, empty.
    pub fn new(config: Config, host: Host) -> Result<Self, Error> {
        let facts = Arc::new(ServerFacts::new(Recovery::default())?);
        let slots = config.number("max_connections").max(1) as usize;
        let reserved = config.number("superuser_reserved_connections").max(0) as usize;
        let superuser = Role {
            oid: 10,
            verifier: config.verifier.clone(),
            login: true,
            superuser: true,
            replication: true,
        };
        let server = Self {
            facts,
            registry: Arc::new(Registry::new(slots, reserved)),
            settings: Arc::new(config.settings.clone()),
            databases: Mutex::default(),
            roles: Mutex::new(BTreeMap::from([(config.user.clone(), superuser)])),
            plans: Mutex::default(),
            host,
            config,
        };
        server.create_database("postgres")?;
        if server.config.database != "postgres" {
            server.create_database(&server.config.database)?;
        }
        Ok(server)
    }

    fn create_database(&self, name: &str) -> Result<(), Error> {
        let mut databases = lock(&self.databases);
        let oid = databases
            .values()
            .map(|d| d.oid)
            .max()
            .map_or(5, |oid| (oid + 1).max(16_384));
        databases.insert(name.to_owned(), Arc::new(Database::new(name, oid)?));
        Ok(())
    }

    /// CREATE DATABASE.
    pub fn add_database(&self, name: &str) -> Result<(), PgError> {
        let count = {
            let databases = lock(&self.databases);
            if databases.contains_key(name) {
                return Err(PgError::new(
                    "42P04",
                    format!("database \"{name}\" already exists"),
                ));
            }
            databases.len()
        };
        if count >= DATABASES_MAX {
            return Err(PgError::new(
                "54000",
                format!("pg-stub has at most {DATABASES_MAX} databases"),
            ));
        }
        self.create_database(name)
            .map_err(|error| PgError::new("XX000", error.to_string()))
    }

    /// DROP DATABASE.
    pub fn drop_database(&self, name: &str, if_exists: bool, pid: i32) -> Result<(), PgError> {
        if self.registry.uses(name, pid) {
            return Err(PgError::new(
                "55006",
                format!("database \"{name}\" is being accessed by other users"),
            ));
        }
        match lock(&self.databases).remove(name) {
            None if !if_exists => Err(PgError::new(
                "3D000",
                format!("database \"{name}\" does not exist"),
            )),
            _ => Ok(()),
        }
    }

    /// A database by name.
    pub fn database(&self, name: &str) -> Option<Arc<Database>> {
        lock(&self.databases).get(name).cloned()
    }

    /// All databases, by name.
    pub fn databases(&self) -> Vec<Arc<Database>> {
        lock(&self.databases).values().cloned().collect()
    }

    /// A role by name.
    pub fn role(&self, name: &str) -> Option<Role> {
        lock(&self.roles).get(name).cloned()
    }

    /// All roles, by name.
    pub fn roles(&self) -> Vec<(String, Role)> {
        lock(&self.roles)
            .iter()
            .map(|(n, r)| (n.clone(), r.clone()))
            .collect()
    }

    /// CREATE or ALTER ROLE.
    pub fn change_role(&self, change: &RoleChange, create: bool) -> Result<(), PgError> {
        let mut roles = lock(&self.roles);
        let name = &change.name;
        let next = roles
            .values()
            .map(|r| r.oid)
            .max()
            .unwrap_or(10)
            .max(16_383)
            + 1;
        match (create, roles.contains_key(name)) {
            (true, true) => {
                return Err(PgError::new(
                    "42710",
                    format!("role \"{name}\" already exists"),
                ));
            }
            (false, false) => {
                return Err(PgError::new(
                    "42704",
                    format!("role \"{name}\" does not exist"),
                ));
            }
            _ => {}
        }
        let role = roles.entry(name.clone()).or_insert_with(|| Role {
            oid: next,
            ..Role::default()
        });
        role.login = change.login.unwrap_or(role.login);
        role.superuser = change.superuser.unwrap_or(role.superuser);
        role.replication = change.replication.unwrap_or(role.replication);
        match &change.password {
            None => {}
            Some(None) => role.verifier = None,
            Some(Some(password)) => role.verifier = Some(Verifier::new(name, password)),
        }
        Ok(())
    }

    /// DROP ROLE.
    pub fn drop_role(&self, name: &str, if_exists: bool) -> Result<(), PgError> {
        let mut roles = lock(&self.roles);
        match roles.get(name) {
            None if if_exists => Ok(()),
            None => Err(PgError::new(
                "42704",
                format!("role \"{name}\" does not exist"),
            )),
            Some(role) if role.oid == 10 => Err(PgError::new(
                "2BP01",
                format!("cannot drop role {name} because it is required by the database system"),
            )),
            Some(_) => {
                roles.remove(name);
                Ok(())
            }
        }
    }

    /// A plan made before, if the schema is still as it was then.
    pub fn plan(&self, database: &Database, sql: &str, declared: &[u32]) -> Option<Arc<Prepared>> {
        let key = (database.oid, sql.to_owned(), declared.to_vec());
        let (epoch, plan) = lock(&self.plans).get(&key)?.clone();
        (epoch == database.schema_epoch()).then_some(plan)
    }

    /// Keeps a plan.
    pub fn keep_plan(
        &self,
        database: &Database,
        sql: &str,
        declared: &[u32],
        plan: &Arc<Prepared>,
    ) {
        if !plan.cacheable || sql.len() > PLAN_TEXT_MAX {
            return;
        }
        let mut plans = lock(&self.plans);
        if plans.len() >= PLANS_MAX {
            plans.clear();
        }
        let key = (database.oid, sql.to_owned(), declared.to_vec());
        plans.insert(key, (database.schema_epoch(), plan.clone()));
    }

    /// The defects of this process.
    pub fn planted(&self) -> &Planted {
        &self.host.planted
    }

    /// A line of the server's log, with PostgreSQL's prefix (`%m [%p] `).
    pub fn log(&self, pid: i32, level: &str, message: &str) {
        let mut line = String::with_capacity(64 + message.len());
        let milliseconds = wall_us().div_euclid(1000);
        let us = milliseconds * 1000;
        time::write_date(&mut line, us.div_euclid(time::DAY_US));
        let seconds = us.rem_euclid(time::DAY_US) / time::SECOND_US;
        line.push_str(&format!(
            " {:02}:{:02}:{:02}.{:03} UTC [{pid}] {level}:  {}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60,
            milliseconds.rem_euclid(1000),
            message.replace('\n', "\n\t")
        ));
        self.host.out.line(&line);
    }
}

/// Runs until the request to stop, then until the sessions have ended (PostgreSQL's fast shutdown).
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    let mut listeners = Vec::new();
    for address in &config.listens {
        let listener = host.net.listen(*address).map_err(|source| Error::Listen {
            address: *address,
            source,
        })?;
        listeners.push(listener);
    }
    run_on(config, host, listeners, shutdown).await
}

/// Like [`run`], on listeners that are there already.
pub async fn run_on(
    config: Config,
    host: Host,
    listeners: Vec<TcpListener>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    let server = Arc::new(Server::new(config, host)?);
    server.log(1, "LOG", "starting PostgreSQL 15.14 (pg-stub)");
    session::init::run_scripts(&server).await?;
    for listener in &listeners {
        if let Ok(address) = listener.local_addr() {
            tracing::info!(%address, "listening");
            let message = format!(
                "listening on IPv4 address \"{}\", port {}",
                address.ip(),
                address.port()
            );
            server.log(1, "LOG", &message);
        }
    }
    server.log(1, "LOG", "database system is ready to accept connections");
    serve(&server, listeners, &shutdown).await;
    server.log(1, "LOG", "database system is shut down");
    Ok(())
}

async fn serve(server: &Arc<Server>, mut listeners: Vec<TcpListener>, shutdown: &Shutdown) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.requested() => break,
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
            stream = accept(&mut listeners) => {
                start(server, &mut sessions, stream);
                tokio::time::sleep(FORK).await;
            }
        }
    }
    server.log(1, "LOG", "received fast shutdown request");
    server.registry.stop();
    let deadline = tokio::time::Instant::now() + STOP_MAX;
    // New clients are told so until the last session has ended.
    loop {
        tokio::select! {
            ended = sessions.join_next() => match ended {
                Some(ended) => report(ended),
                None => break,
            },
            stream = accept(&mut listeners) => start(server, &mut sessions, stream),
            () = tokio::time::sleep_until(deadline) => {
                tracing::info!(left = sessions.len(), "sessions did not end in time");
                break;
            }
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(Ok(panic)) = ended.map_err(tokio::task::JoinError::try_into_panic) {
        std::panic::resume_unwind(panic);
    }
}

fn start(server: &Arc<Server>, sessions: &mut JoinSet<()>, stream: TcpStream) {
    let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
        // Gone before it was let in.
        return;
    };
    match server.registry.enter(&server.facts, peer) {
        Some(place) => {
            sessions.spawn(session::run(server.clone(), stream, place, local, peer));
        }
        None => stream.reset(),
    }
}

/// The next connection from any listener.
async fn accept(listeners: &mut [TcpListener]) -> TcpStream {
    loop {
        let accepted = std::future::poll_fn(|cx| {
            for listener in listeners.iter_mut() {
                if let std::task::Poll::Ready(accepted) = listener.poll_accept(cx) {
                    return std::task::Poll::Ready(accepted);
                }
            }
            std::task::Poll::Pending
        })
        .await;
        match accepted {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::debug!(%error, "accept failed");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}
