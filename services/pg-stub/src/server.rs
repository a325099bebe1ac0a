//! What all sessions share: databases, roles, plans; and the loop that lets clients in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::disk::Disk;
use squall_host::launch::Text;
use squall_host::net::{TcpListener, TcpStream};
use squall_host::planted::Planted;
use squall_host::{Host, Shutdown};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::engine::context::{ServerFacts, lock, wall_us};
use crate::engine::database::Database;
use crate::engine::record::Record;
use crate::engine::store::Sequence;
use crate::error::{Error, PgError};
use crate::hba::Hba;
use crate::registry::{Admission, Registry};
use crate::replication::entry;
use crate::replication::sender::Senders;
use crate::replication::synchronous::Synchronous;
use crate::scram::Verifier;
use crate::sql::plan::{Prepared, RoleChange};
use crate::value::time;
use crate::wal::checkpoint;
use crate::wal::control::{Control, read_file};
use crate::wal::log::Log;
use crate::wal::lsn::Lsn;
use crate::wal::record::Entry;
use crate::wal::recovery::{self, write_new};
use crate::wal::snapshot::Snapshot;
use crate::{session, settings};

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
#[derive(Clone, Debug, Default, PartialEq)]
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

/// The process ids that the server's own processes show.
#[derive(Clone, Copy, Debug)]
pub struct Pids {
    /// The checkpointer.
    pub checkpointer: i32,
    /// The startup process, which replays.
    pub startup: i32,
    /// The WAL receiver.
    pub receiver: i32,
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
    /// What its control file says.
    pub control: Mutex<Control>,
    /// Those that follow its log.
    pub senders: Senders,
    /// For which of them commits wait.
    pub synchronous: Option<Synchronous>,
    /// Held while a checkpoint is made.
    pub checkpoints: tokio::sync::Mutex<()>,
    /// Its own processes.
    pub pids: Pids,
    hba: Mutex<Arc<Hba>>,
    failure: watch::Sender<Option<String>>,
    ended_with: Mutex<Option<Error>>,
    databases: Mutex<BTreeMap<String, Arc<Database>>>,
    roles: Mutex<BTreeMap<String, Role>>,
    plans: Mutex<BTreeMap<PlanKey, (u64, Arc<Prepared>)>>,
    host: Host,
}

impl Server {
    /// A server that has nothing yet; what it has, recovery says.
    pub fn new(config: Config, host: Host) -> Result<Self, Error> {
        let wal = Log::new(host.disk.clone(), format!("{}/pg_wal", config.data));
        let slots = config.number("max_connections").max(1) as usize;
        let reserved = config.number("superuser_reserved_connections").max(0) as usize;
        let superuser = Role {
            oid: 10,
            verifier: config.verifier.clone(),
            login: true,
            superuser: true,
            replication: true,
        };
        let names = settings::lookup(&config.settings, "synchronous_standby_names");
        Ok(Self {
            facts: Arc::new(ServerFacts::new(wal)?),
            registry: Arc::new(Registry::new(slots, reserved)),
            settings: Arc::new(config.settings.clone()),
            control: Mutex::new(Control::default()),
            senders: Senders::default(),
            synchronous: Synchronous::parse(&names.unwrap_or_default()).map_err(Error::Setting)?,
            checkpoints: tokio::sync::Mutex::default(),
            pids: Pids {
                checkpointer: 26,
                startup: 28,
                receiver: 31,
            },
            hba: Mutex::new(Arc::new(config.hba.clone())),
            failure: watch::Sender::default(),
            ended_with: Mutex::default(),
            databases: Mutex::default(),
            roles: Mutex::new(BTreeMap::from([(config.user.clone(), superuser)])),
            plans: Mutex::default(),
            host,
            config,
        })
    }

    /// The machine.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The machine's disk.
    pub fn disk(&self) -> &Disk {
        &self.host.disk
    }

    /// What a setting of the server is.
    pub fn setting(&self, name: &str) -> String {
        settings::lookup(&self.settings, name).unwrap_or_default()
    }

    /// Who may come in now.
    pub fn open(&self, admission: Admission) {
        self.registry.open(admission);
    }

    /// The rules by which clients may come in.
    pub fn hba(&self) -> Arc<Hba> {
        lock(&self.hba).clone()
    }

    /// Writes `pg_hba.conf` into a new data folder.
    pub async fn write_hba(&self) -> Result<(), Error> {
        write_new(self, "pg_hba.conf", &self.config.hba_text).await?;
        self.read_hba().await
    }

    /// Reads `pg_hba.conf` of the data folder, unless `hba_file` names another.
    pub async fn read_hba(&self) -> Result<(), Error> {
        let path = format!("{}/pg_hba.conf", self.config.data);
        if self.config.settings.contains_key("hba_file") {
            return Ok(());
        }
        let Some(bytes) = read_file(&self.host.disk, &path).await? else {
            return Ok(());
        };
        let text = Text {
            shown_as: path.as_str().into(),
            content: String::from_utf8_lossy(&bytes).as_ref().into(),
        };
        let rules = Hba::parse(&text).map_err(|wrong| {
            let list: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            Error::Setting(list.join("; "))
        })?;
        *lock(&self.hba) = Arc::new(rules);
        Ok(())
    }

    /// Ends the server as a panic does: nothing more is answered.
    pub fn fail(&self, why: String) {
        self.failure.send_modify(|failure| {
            failure.get_or_insert(why);
        });
    }

    async fn failed(&self) -> String {
        let mut failure = self.failure.subscribe();
        let why = failure
            .wait_for(Option::is_some)
            .await
            .map(|why| why.clone());
        match why {
            Ok(why) => why.unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes a snapshot's content for its own.
    pub fn restore(&self, snapshot: &Snapshot) -> Result<(), Error> {
        let mut databases = BTreeMap::new();
        for image in &snapshot.databases {
            databases.insert(image.name.clone(), Arc::new(Database::of_image(image)?));
        }
        *lock(&self.databases) = databases;
        *lock(&self.roles) = snapshot.roles.iter().cloned().collect();
        Ok(())
    }

    /// Does what a record of the log says that ends at `end`.
    pub fn apply(&self, entry: &Entry, end: Lsn) -> Result<(), PgError> {
        match entry {
            Entry::Commit {
                database,
                changes,
                sequences,
            } => {
                let found = lock(&self.databases)
                    .values()
                    .find(|d| d.oid == *database)
                    .cloned();
                // One that a later record drops has nothing to be replayed.
                found.map_or(Ok(()), |found| found.replay(changes, sequences, end))
            }
            Entry::Role { name, role } => {
                let mut roles = lock(&self.roles);
                match role {
                    Some(role) => roles.insert(name.clone(), role.clone()),
                    None => roles.remove(name),
                };
                Ok(())
            }
            Entry::Database {
                name,
                oid: Some(oid),
            } => {
                let known = lock(&self.databases)
                    .get(name)
                    .is_some_and(|d| d.oid == *oid);
                if known {
                    return Ok(());
                }
                self.create_database(name, Some(*oid))
                    .map_err(|error| PgError::new("XX000", error.to_string()))
            }
            Entry::Database { name, oid: None } => {
                lock(&self.databases).remove(name);
                Ok(())
            }
            Entry::Checkpoint { .. } | Entry::EndOfRecovery { .. } => Ok(()),
        }
    }

    /// Puts a transaction into the log; `None` when it did nothing.
    pub fn log_commit(
        &self,
        database: &Database,
        record: &Record,
        sequences: Vec<(String, Option<Sequence>)>,
    ) -> Option<Lsn> {
        if record.changes.is_empty() && sequences.is_empty() {
            return None;
        }
        Some(self.facts.wal.append(Entry::Commit {
            database: database.oid,
            changes: record.changes.clone(),
            sequences,
        }))
    }

    /// Makes a database, here alone.
    pub fn create_database(&self, name: &str, oid: Option<u32>) -> Result<(), Error> {
        let mut databases = lock(&self.databases);
        let next = databases
            .values()
            .map(|d| d.oid)
            .max()
            .map_or(5, |oid| (oid + 1).max(16_384));
        let oid = oid.unwrap_or(next);
        databases.insert(name.to_owned(), Arc::new(Database::new(name, oid)?));
        Ok(())
    }

    /// CREATE DATABASE.
    pub fn add_database(&self, name: &str) -> Result<Lsn, PgError> {
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
        self.create_database(name, None)
            .map_err(|error| PgError::new("XX000", error.to_string()))?;
        let oid = self.database(name).map(|database| database.oid);
        let name = name.to_owned();
        Ok(self.facts.wal.append(Entry::Database { name, oid }))
    }

    /// DROP DATABASE.
    pub fn drop_database(
        &self,
        name: &str,
        if_exists: bool,
        pid: i32,
    ) -> Result<Option<Lsn>, PgError> {
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
            None => Ok(None),
            Some(_) => {
                let name = name.to_owned();
                Ok(Some(
                    self.facts.wal.append(Entry::Database { name, oid: None }),
                ))
            }
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
    pub fn change_role(&self, change: &RoleChange, create: bool) -> Result<Lsn, PgError> {
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
        let entry = Entry::Role {
            name: name.clone(),
            role: Some(role.clone()),
        };
        Ok(self.facts.wal.append(entry))
    }

    /// DROP ROLE.
    pub fn drop_role(&self, name: &str, if_exists: bool) -> Result<Option<Lsn>, PgError> {
        let mut roles = lock(&self.roles);
        match roles.get(name) {
            None if if_exists => Ok(None),
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
                let name = name.to_owned();
                Ok(Some(
                    self.facts.wal.append(Entry::Role { name, role: None }),
                ))
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

    /// A line of an entry script's.
    pub fn say(&self, line: &str) {
        self.host.out.line(line);
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
/// A replica first does what its image's entry script does, and does not listen before that.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    if let Some(primary) = &config.replica {
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            done = entry::prepare(&host, &config.data, primary) => done?,
        }
    }
    let mut listeners = Vec::new();
    for address in &config.listens {
        listeners.push(host.net.listen(*address)?);
    }
    run_on(config, host, listeners, shutdown).await
}

/// Like [`run`], on listeners that are there already.
pub async fn run_on(
    mut config: Config,
    host: Host,
    listeners: Vec<TcpListener>,
    shutdown: Shutdown,
) -> Result<(), Error> {
    config.read_auto_conf(&host.disk).await?;
    let server = Arc::new(Server::new(config, host)?);
    let shown: Vec<String> = listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|at| {
            format!(
                "listening on IPv4 address \"{}\", port {}",
                at.ip(),
                at.port()
            )
        })
        .collect();
    let ended = serve(&server, listeners, &shutdown, &shown).await;
    match &ended {
        Ok(()) => server.log(1, "LOG", "database system is shut down"),
        Err(Error::Panic(why)) => server.log(server.pids.startup, "PANIC", why),
        Err(error) => server.log(server.pids.startup, "FATAL", &error.to_string()),
    }
    ended
}

/// The server's own processes. What ends by itself has failed.
fn start_processes(server: &Arc<Server>, shown: &[String]) -> (JoinSet<()>, JoinSet<()>) {
    let (mut writer, mut main) = (JoinSet::new(), JoinSet::new());
    let this = server.clone();
    let ms = u64::try_from(server.config.time_ms("wal_writer_delay")).unwrap_or(200);
    writer.spawn(async move {
        let error = this.facts.wal.write(Duration::from_millis(ms)).await;
        this.fail(error.to_string());
    });
    let (this, shown) = (server.clone(), shown.to_vec());
    main.spawn(async move {
        if let Err(error) = recovery::run(&this, &shown).await {
            *lock(&this.ended_with) = Some(error);
            this.fail(String::new());
        }
    });
    (writer, main)
}

async fn serve(
    server: &Arc<Server>,
    mut listeners: Vec<TcpListener>,
    shutdown: &Shutdown,
    shown: &[String],
) -> Result<(), Error> {
    let (mut writer, mut main) = start_processes(server, shown);
    let mut sessions = JoinSet::new();
    let mut failed = std::pin::pin!(server.failed());
    let failure = |why: String| lock(&server.ended_with).take().unwrap_or(Error::Panic(why));
    loop {
        tokio::select! {
            () = shutdown.requested() => break,
            why = &mut failed => return Err(failure(why)),
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
            Some(ended) = writer.join_next() => report(ended),
            Some(ended) = main.join_next() => report(ended),
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
    while server.registry.has_sessions() && !sessions.is_empty() {
        tokio::select! {
            why = &mut failed => return Err(failure(why)),
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => report(ended),
            stream = accept(&mut listeners) => start(server, &mut sessions, stream),
            () = tokio::time::sleep_until(deadline) => {
                tracing::info!(left = sessions.len(), "sessions did not end in time");
                break;
            }
        }
    }
    drop(main);
    let has_begun = lock(&server.control).redo > Lsn(0);
    if has_begun {
        tokio::select! {
            why = &mut failed => return Err(failure(why)),
            done = checkpoint::stop(server) => done?,
        }
    }
    // Standbys have all of the log before they are left, if they take it.
    server.registry.stop_senders();
    let all = async {
        while let Some(ended) = sessions.join_next().await {
            report(ended);
        }
    };
    let _ = tokio::time::timeout(STOP_MAX, all).await;
    drop(writer);
    Ok(())
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
