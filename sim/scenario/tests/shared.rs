//! A volume that two containers have: what one wrote before its machine died, the other reads.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use futures::future::BoxFuture;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use squall_record::Verdict;
use squall_scenario::{Plan, Programs, RunOptions, simulated};

/// Writes its name into a file, if there is none, and serves what is in it.
fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let [name, file, writes] = ["NAME", "FILE", "WRITES"].map(|variable| {
        let value = launch.env.get(variable);
        value.cloned().unwrap_or_default()
    });
    Ok(Loaded::new(
        Facts::default(),
        move |host: Host, shutdown: Shutdown| {
            let (name, file, writes) = (name.clone(), file.clone(), writes.clone());
            async move {
                if writes == "yes" {
                    host.disk.append(&file, Bytes::from(name)).await?;
                }
                let listener = host.net.listen("0.0.0.0:80".parse().unwrap())?;
                let answer = async move || {
                    let read = host.disk.read(&file).await.unwrap_or_default();
                    format!("{{\"by\":\"{}\"}}", String::from_utf8_lossy(&read))
                };
                axum::serve(listener, Router::new().route("/", get(answer)))
                    .with_graceful_shutdown(async move { shutdown.requested().await })
                    .await
            }
        },
    ))
}

fn exec(_: Host, _: BTreeMap<String, String>, _: Vec<String>) -> BoxFuture<'static, i32> {
    Box::pin(async { 0 })
}

const COMPOSE: &str = "
services:
  writer:
    image: test/file
    environment: {NAME: writer, FILE: /here/file, WRITES: yes}
    volumes: ['shared:/here']
  reader:
    image: test/file
    environment: {FILE: /there/file}
    ports: ['8080:80']
    volumes: ['shared:/there:ro']
volumes: {shared: {}}
";

const KUBERNETES: &str = "
apiVersion: v1
kind: Service
metadata: {name: reader}
spec: {type: NodePort, selector: {app: reader}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer, labels: {app: writer}}
spec:
  nodeName: agent-0
  containers:
  - name: writer
    image: test/file
    env: [{name: NAME, value: writer}, {name: FILE, value: /here/file}, {name: WRITES, value: 'yes'}]
    volumeMounts: [{name: v, mountPath: /here}]
  volumes: [{name: v, VOLUME}]
---
apiVersion: v1
kind: Pod
metadata: {name: reader, labels: {app: reader}}
spec:
  nodeName: agent-1
  containers:
  - name: reader
    image: test/file
    env: [{name: FILE, value: /there/file}]
    volumeMounts: [{name: v, mountPath: /there}]
  volumes: [{name: v, VOLUME}]
";

const SCENARIO: &str = "
clients: [{name: asks, get: 'http://localhost:PORT/', rate: 5/s, timeout: 2s, backend: $.by}]
phases:
  - {phase: starting, for: 1s}
  - {phase: both, for: 5s, expect: {success: 100%, only_backends: writer}}
  - phase: dead
    for: 5s
    steps: [{power_off: DYING}]
    expect: {success: 100%, only_backends: writer}
";

fn play(test: &str, manifest: &str, system: &str, port: &str, dying: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("system.yaml"), manifest).unwrap();
    let scenario = SCENARIO.replace("PORT", port).replace("DYING", dying);
    let head = format!("scenario: test\nsystem: {{{system}, programs: {{test/file: file}}}}\n");
    let path = folder.join("scenario.yaml");
    std::fs::write(&path, format!("{head}{scenario}")).unwrap();
    let programs = Programs {
        names: &["file"],
        load: &|name| (name == "file").then(|| load.into()),
        knows: &|_| true,
    };
    let plan = Plan::open(&path, &programs).unwrap_or_else(|problems| panic!("{problems}"));
    let run = || {
        let options = RunOptions {
            seed: 1,
            trace: None,
        };
        simulated::run(&plan, exec, &options, Arc::new(())).unwrap()
    };
    let summary = run().summary;
    assert_eq!(summary.verdict, Verdict::Passed, "{summary:#?}");
    assert_eq!(run().summary.trace_hash, summary.trace_hash);
}

#[test]
fn a_named_volume_in_compose() {
    play(
        "shared-compose",
        COMPOSE,
        "compose: system.yaml",
        "8080",
        "writer",
    );
}

#[test]
fn a_claim_of_many_in_kubernetes() {
    let volume = "persistentVolumeClaim: {claimName: shared}";
    let text = KUBERNETES.replace("VOLUME", volume);
    play(
        "shared-claim",
        &text,
        "kubernetes: [system.yaml]",
        "30080",
        "agent-0",
    );
}

#[test]
fn a_file_server_in_kubernetes() {
    let text = KUBERNETES.replace("VOLUME", "nfs: {server: 10.0.0.9, path: /exports}");
    play(
        "shared-nfs",
        &text,
        "kubernetes: [system.yaml]",
        "30080",
        "agent-0",
    );
}
