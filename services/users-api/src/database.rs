//! Statements for the database, on a connection of their own.

use std::io;
use std::time::Duration;

use squall_host::Host;
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::config::Database;

/// For saying goodbye; nothing waits for an answer to it.
const HANG_UP_TIMEOUT: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("no connection to the database: {0}")]
    Connect(#[source] io::Error),
    #[error("no connection to the database within {0:?}")]
    ConnectTimeout(Duration),
    #[error("the database: {}", words(.0))]
    Database(#[source] tokio_postgres::Error),
    #[error("no answer from the database within {0:?}")]
    QueryTimeout(Duration),
    #[error("the database gave no row of the kind that was asked for")]
    NoRow,
}

/// tokio-postgres keeps what the server said apart from its own words.
fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(said), _) => format!("{} ({})", said.message(), said.code().code()),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

/// Connects, runs the statements one after the other, and hangs up. The first row among the answers,
/// which must have `N` columns and no NULL.
pub(crate) async fn ask<const N: usize>(
    host: &Host,
    database: &Database,
    statements: &[&str],
) -> Result<[String; N], Error> {
    let connecting = async {
        let stream = host
            .net
            .connect_name(&database.host, database.port)
            .await
            .map_err(Error::Connect)?;
        let mut login = tokio_postgres::Config::new();
        login
            .user(&database.user)
            .password(&database.password)
            .dbname(&database.name);
        login
            .connect_raw(stream, NoTls)
            .await
            .map_err(Error::Database)
    };
    let (client, connection) = timeout(database.connect_timeout, connecting)
        .await
        .map_err(|_| Error::ConnectTimeout(database.connect_timeout))??;
    tokio::pin!(connection);
    let mut has_ended = false;
    let asking = async {
        // The connection does the input and output while the client waits.
        let questions = all_of(&client, statements);
        tokio::pin!(questions);
        tokio::select! {
            answer = &mut questions => answer,
            ended = &mut connection => {
                has_ended = true;
                ended?;
                questions.await
            }
        }
    };
    let limit = match host.planted.has("users-api/no-query-deadline") {
        true => database.query_timeout * 1000,
        false => database.query_timeout,
    };
    let rows = timeout(limit, asking)
        .await
        .map_err(|_| Error::QueryTimeout(limit))?
        .map_err(Error::Database)?;
    // Without its client the connection says goodbye (Terminate) and ends; a server that does not take
    // that any more has given its answer.
    drop(client);
    if !has_ended {
        let _ = timeout(HANG_UP_TIMEOUT, connection).await;
    }
    let row = rows.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or(Error::NoRow)?;
    let values: Option<Vec<String>> = (0..row.len())
        .map(|at| row.get(at).map(str::to_owned))
        .collect();
    let values = values.ok_or(Error::NoRow)?;
    values.try_into().map_err(|_| Error::NoRow)
}

async fn all_of(
    client: &Client,
    statements: &[&str],
) -> Result<Vec<SimpleQueryMessage>, tokio_postgres::Error> {
    let mut answers = Vec::new();
    for statement in statements {
        answers.extend(client.simple_query(statement).await?);
    }
    Ok(answers)
}

/// `2025-09-10 01:33:07.8225+00` as Python prints it: six digits, and minutes in the offset.
pub(crate) fn as_python(timestamp: &str) -> String {
    let Some(at) = timestamp.rfind(['+', '-']).filter(|at| *at > 10) else {
        return timestamp.to_owned();
    };
    let (clock, offset) = timestamp.split_at(at);
    let clock = match clock.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<6}"),
        None => clock.to_owned(),
    };
    let minutes = if offset.contains(':') { "" } else { ":00" };
    format!("{clock}{offset}{minutes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_look_as_python_prints_them() {
        let cases = [
            (
                "2025-09-10 01:33:07.822576+00",
                "2025-09-10 01:33:07.822576+00:00",
            ),
            (
                "2025-09-10 01:33:07.8+00",
                "2025-09-10 01:33:07.800000+00:00",
            ),
            ("2025-09-10 01:33:07+02", "2025-09-10 01:33:07+02:00"),
            (
                "2025-09-10 01:33:07.5-03:30",
                "2025-09-10 01:33:07.500000-03:30",
            ),
        ];
        for (given, wanted) in cases {
            assert_eq!(as_python(given), wanted);
        }
    }
}
