//! The session without a client that runs the scripts of `/docker-entrypoint-initdb.d`.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Session, Stop};
use crate::engine::context::SessionFacts;
use crate::error::{Error, PgError};
use crate::registry::Signals;
use crate::server::Server;

/// The process id that the init session shows.
const INIT_PID: i32 = 48;

/// Runs all scripts, each statement in a transaction of its own, as psql does for the image.
pub async fn run_scripts(server: &Arc<Server>) -> Result<(), Error> {
    let name = server.config.database.clone();
    for script in &server.config.scripts {
        let failed = |error: PgError| Error::InitScript {
            file: script.shown_as.to_string(),
            error: Box::new(error),
        };
        let database = server.database(&name).ok_or_else(|| {
            failed(PgError::new(
                "3D000",
                format!("database \"{name}\" does not exist"),
            ))
        })?;
        let facts = Arc::new(SessionFacts {
            server: server.facts.clone(),
            pid: INIT_PID,
            user: server.config.user.clone(),
            database: name.clone(),
            local: None,
            peer: None,
        });
        let (_sender, signals) = watch::channel(Signals::default());
        let mut session = Session::new(server.clone(), database, facts, signals);
        server.log(1, "LOG", &format!("running {}", script.shown_as));
        session.run_script(&script.content).await.map_err(failed)?;
    }
    Ok(())
}

impl Session {
    async fn run_script(&mut self, text: &str) -> Result<(), PgError> {
        for statement in crate::sql::parse::parse(text)? {
            self.start_statement();
            self.forget_cancels();
            let prepared = self.plan(text, &statement, &[], false)?;
            match self.execute(&prepared, &[], &[]).await {
                Ok(_) => {}
                Err(Stop::Error(error)) => return Err(error),
                Err(Stop::Gone(error)) => return Err(PgError::new("08006", error.to_string())),
            }
        }
        Ok(())
    }
}
