//! What the entry script of a replica's image does before the server: waits for the primary's name
//! and for the primary, copies it into an empty data folder, and marks the folder as a standby's.
//!
//! It runs where the environment has `PRIMARY_HOST`. The server does not listen before it is done.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rand::Rng as _;
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};
use squall_host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::base;
use super::client::{Client, ClientError};
use super::conninfo::Conninfo;
use crate::error::Error;
use crate::wal::control::{read_file, remove_file, replace_file};
use crate::wal::log::LogError;
use crate::wal::recovery::STANDBY_FILE;

/// Between two look-ups of the primary's name.
const NAME_INTERVAL: Duration = Duration::from_secs(1);
/// Between two runs of `pg_isready`.
const READY_INTERVAL: Duration = Duration::from_secs(2);
/// The files of a cluster that `initdb` has just made (counted, PostgreSQL 15.18). At its end
/// `pg_basebackup` syncs each (src/common/file_utils.c, `fsync_pgdata`), which is most of the time that
/// the copy of a small cluster takes. Ours holds the same in a few files, and syncs as often.
const FILES: usize = 966;
/// How long `pg_isready` waits (`-t`).
const READY_MAX: Duration = Duration::from_secs(3);

/// Does all that; does not return before the data folder is a standby's.
pub async fn prepare(host: &Host, data: &str, primary: &Conninfo) -> Result<(), Error> {
    let say = |line: &str| host.out.line(line);
    say(&format!("[replica] waiting for DNS: {}", primary.host));
    while host.net.resolve(&primary.host).await.is_err() {
        tokio::time::sleep(NAME_INTERVAL).await;
    }
    let at = format!("{}:{}", primary.host, primary.port);
    say(&format!("[replica] waiting for primary at {at}"));
    loop {
        let answer = tokio::time::timeout(READY_MAX, is_ready(host, primary)).await;
        let said = match answer {
            Ok(Ok(true)) => break,
            Ok(Ok(false)) => "rejecting connections",
            Ok(Err(_)) | Err(_) => "no response",
        };
        say(&format!("{at} - {said}"));
        tokio::time::sleep(READY_INTERVAL).await;
    }
    say(&format!("{at} - accepting connections"));
    if read_file(&host.disk, &format!("{data}/PG_VERSION"))
        .await?
        .is_none()
    {
        // `set -e`: what fails ends the script, and the container with it.
        copy(host, data, primary).await?;
    }
    replace_file(&host.disk, &format!("{data}/{STANDBY_FILE}"), Vec::new()).await?;
    Ok(())
}

/// What `pg_isready` asks: whether a startup packet gets any answer but "not now".
async fn is_ready(host: &Host, primary: &Conninfo) -> std::io::Result<bool> {
    let mut stream = host.net.connect_name(&primary.host, primary.port).await?;
    let mut body = BytesMut::new();
    body.put_u32(3 << 16);
    body.put_slice(format!("user\0{0}\0database\0{0}\0\0", primary.user).as_bytes());
    let mut packet = BytesMut::new();
    packet.put_u32(body.len() as u32 + 4);
    packet.unsplit(body);
    stream.write_all(&packet).await?;
    let mut answer = BytesMut::new();
    loop {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let Some(length) = answer.get(1..5) else {
            continue;
        };
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if answer[0] != b'E' {
            return Ok(true);
        }
        if answer.len() > length {
            let error = super::client::server_error(&answer[5..=length]);
            return Ok(!matches!(error, ClientError::Server { code, .. } if code == "57P03"));
        }
    }
}

/// `pg_basebackup -Fp -Xs -P -R`.
async fn copy(host: &Host, data: &str, primary: &Conninfo) -> Result<(), Error> {
    host.out.line("[replica] running pg_basebackup");
    for folder in ["", "/base", "/global", "/pg_wal"] {
        let folder = format!("{data}{folder}");
        for file in host.disk.list(&folder).await.unwrap_or_default() {
            // Folders are listed as well, and are no files to be removed.
            let _ = remove_file(&host.disk, &format!("{folder}/{file}")).await;
        }
    }
    let failed = |error: ClientError| Error::BaseCopy(error.to_string());
    let mut nonce = [0; 18];
    let random = StdRng::try_from_rng(&mut SysRng);
    random
        .map_err(|error| Error::Engine(format!("no entropy: {error}")))?
        .fill_bytes(&mut nonce);
    let connect = Client::connect(&host.net, primary, "true", "pg_basebackup", &nonce);
    let mut client = connect.await.map_err(failed)?;
    let command = format!(
        "BASE_BACKUP ( LABEL 'pg_basebackup base backup', PROGRESS, FORMAT '{}' )",
        base::FORMAT
    );
    client
        .send(b'Q', &[command.as_bytes(), &[0]].concat())
        .await
        .map_err(failed)?;
    let (_, stream) = client.rest().await.map_err(failed)?;
    let archive = base::content(&stream);
    let files = base::files(&archive);
    let files = files.ok_or_else(|| Error::BaseCopy("the copy is not whole".to_owned()))?;
    let bytes: usize = files.iter().map(|(_, content)| content.len()).sum();
    let (mut first, last): (Vec<_>, Vec<_>) = files
        .into_iter()
        .filter(|(name, _)| name != "postgresql.auto.conf")
        .partition(|(name, _)| name != "PG_VERSION");
    let quoted = primary.text().replace('\'', "''");
    let conf = format!(
        "# Do not edit this file manually!\n# It will be overwritten by the ALTER SYSTEM command.\n\
         primary_conninfo = '{quoted}'\n"
    );
    first.push(("postgresql.auto.conf".to_owned(), conf.into_bytes()));
    first.push((STANDBY_FILE.to_owned(), Vec::new()));
    base::write(&host.disk, data, first).await?;
    base::write(&host.disk, data, last).await?;
    let version = format!("{data}/PG_VERSION");
    for _ in 0..FILES {
        let synced = host.disk.sync(&version).await;
        synced.map_err(|source| LogError::of("sync", &version, source))?;
    }
    let kb = bytes.div_ceil(1024);
    host.out
        .line(&format!("{kb}/{kb} kB (100%), 1/1 tablespace"));
    let _ = client.send(b'X', &[]).await;
    Ok(())
}
