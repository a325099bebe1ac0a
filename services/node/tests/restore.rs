//! A snapshot of one group, and a group of three that is begun from it: `etcdctl snapshot save` and `restore`
//! against members on real sockets.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::sync::{Arc, Mutex};

use squall_host::output::{Output, OutputDriver};
use squall_host::{Host, Launch, Shutdown};
use tokio::task::JoinHandle;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

fn free_port() -> u16 {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Host::real().net.listen(any).unwrap();
    listener.local_addr().unwrap().port()
}

/// Runs a program with these words; what it printed, and whether it ended well.
async fn run(program: &str, words: &str) -> (String, bool) {
    let launch = Launch {
        args: words.split_whitespace().map(str::to_owned).collect(),
        ..Launch::default()
    };
    let loaded = (squall_node::programs()[program].load)(&launch)
        .unwrap_or_else(|problems| panic!("{words}: {problems}"));
    let lines = Lines::default();
    let real = Host::real();
    let host = Host::new("test", real.net, real.disk, Output::new(lines.clone()));
    let ended = loaded.start(host, Shutdown::never()).await;
    let printed = lines.0.lock().unwrap().join("\n");
    (printed, ended.is_ok())
}

async fn etcdctl(words: &str) -> (String, bool) {
    run("shell", &format!("etcdctl {words}")).await
}

/// A member: its name, ports and folder.
struct Member {
    name: String,
    client: u16,
    peer: u16,
    folder: String,
}

impl Member {
    fn new(name: &str, folder: &str) -> Self {
        Self {
            name: name.to_owned(),
            client: free_port(),
            peer: free_port(),
            folder: format!("{folder}/{name}"),
        }
    }

    /// Options that etcd and a restore share.
    fn options(&self, all: &[Self]) -> String {
        let members = all
            .iter()
            .map(|m| format!("{}=http://127.0.0.1:{}", m.name, m.peer));
        format!(
            "--name {} --data-dir {} --initial-advertise-peer-urls http://127.0.0.1:{} --initial-cluster-token new --initial-cluster {}",
            self.name,
            self.folder,
            self.peer,
            members.collect::<Vec<_>>().join(",")
        )
    }

    fn start(&self, all: &[Self]) -> JoinHandle<(String, bool)> {
        let (client, peer) = (self.client, self.peer);
        let words = format!(
            "{} --listen-client-urls http://127.0.0.1:{client} --advertise-client-urls http://127.0.0.1:{client} --listen-peer-urls http://127.0.0.1:{peer}",
            self.options(all)
        );
        tokio::spawn(async move { run("etcd-stub", &words).await })
    }
}

#[tokio::test]
async fn three_members_begin_with_what_one_had() {
    let folder = std::env::temp_dir().join(format!("squall-restore-{}", std::process::id()));
    let folder = folder.to_str().unwrap();
    let file = format!("{folder}/snapshot.db");
    let lone = [Member::new("lone", folder)];
    let running = lone[0].start(&lone);
    let to = format!("--endpoints=127.0.0.1:{}", lone[0].client);
    for value in ["1", "2"] {
        let put = etcdctl(&format!("{to} put key {value}")).await;
        assert_eq!(put, ("OK".to_owned(), true));
    }
    let saved = etcdctl(&format!("{to} snapshot save {file}")).await;
    assert_eq!(saved, (format!("Snapshot saved at {file}"), true));
    // It is not in the snapshot.
    etcdctl(&format!("{to} put key 3")).await;
    running.abort();
    let all = ["a", "b", "c"].map(|name| Member::new(name, folder));
    for member in &all {
        let restore = format!("snapshot restore {file} {}", member.options(&all));
        assert_eq!(etcdctl(&restore).await, (String::new(), true));
        let again = format!("Error: data-dir \"{}\" exists", member.folder);
        let (said, well) = etcdctl(&restore).await;
        assert_eq!((said, well), (again, false));
    }
    let running: Vec<_> = all.iter().map(|member| member.start(&all)).collect();
    for member in &all {
        let to = format!("--endpoints=127.0.0.1:{}", member.client);
        let got = etcdctl(&format!("{to} get key --print-value-only")).await;
        assert_eq!(got, ("2".to_owned(), true));
    }
    let to = format!("--endpoints=127.0.0.1:{}", all[1].client);
    assert!(etcdctl(&format!("{to} put key 4")).await.1);
    let (got, _) = etcdctl(&format!("{to} get key -w json")).await;
    // Revisions go on from the snapshot's.
    assert!(got.contains("\"mod_revision\":4,\"version\":3"), "{got}");
    let wrong = format!(
        "snapshot restore {file} --data-dir {folder}/other --name other --initial-cluster a=http://127.0.0.1:1"
    );
    let (said, well) = etcdctl(&wrong).await;
    assert!(!well && said.contains("couldn't find local name"), "{said}");
    let absent = format!("snapshot restore {folder}/none.db --data-dir {folder}/other");
    assert!(!etcdctl(&absent).await.1);
    running.iter().for_each(JoinHandle::abort);
    std::fs::remove_dir_all(folder).unwrap();
}
