//! Writes and reads of few keys, drawn: each through one member, at a steady rate, never repeated.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use etcd_client::{Compare, CompareOp, GetOptions, PutOptions, Txn, TxnOp, TxnOpResponse};
use squall_host::Shutdown;
use squall_resilient::random::Random;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::{App, below, full_key, short};
use crate::line::Line;
use crate::member::Member;

/// Operations without an answer; beyond that none is begun.
const IN_FLIGHT_MAX: usize = 64;

/// Draws operations until it is told to stop; returns when the last one is over.
pub(crate) async fn run(app: &Arc<App>, stopping: &Shutdown) {
    let mut random = Random::from_os();
    let mut ticks = interval(Duration::from_secs(1) / app.config.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut in_flight = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopping.requested() => break,
            _ = ticks.tick() => {}
        }
        while in_flight.try_join_next().is_some() {}
        if in_flight.len() >= IN_FLIGHT_MAX {
            app.counts.skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let kind = below(&mut random, 10);
        let key = format!("k{}", below(&mut random, app.config.keys as usize));
        let member = below(&mut random, app.members.len());
        let app = app.clone();
        in_flight.spawn(async move {
            let member = &app.members[member];
            match kind {
                0..3 => drop(put(&app, member, &key, None).await),
                3..5 => cas(&app, member, &key).await,
                5..8 => drop(get(&app, member, &key, false).await),
                _ => drop(get(&app, member, &key, true).await),
            }
        });
    }
    while in_flight.join_next().await.is_some() {}
}

/// Writes a new value; its revision if it is acknowledged.
pub(crate) async fn put(app: &App, member: &Member, key: &str, lease: Option<i64>) -> Option<i64> {
    let value = app.new_value();
    let mut client = member.client.clone();
    let options = lease.map(|lease| PutOptions::new().with_lease(lease));
    let began_us = app.now_us();
    let call = client.put(full_key(key), value.clone(), options);
    let answer = member.call(call).await;
    let mut line = Line {
        key: Some(key.to_owned()),
        value: Some(value),
        lease,
        ..Line::of("put")
    };
    let answer = answer.map(|answer| {
        line.revision = answer.header().map(|header| header.revision());
        app.learn(key, line.revision.unwrap_or(0));
    });
    let revision = line.revision;
    app.tell(line, member, began_us, answer);
    revision
}

/// Writes a new value if the key is as this process last saw it, else reads it.
async fn cas(app: &App, member: &Member, key: &str) {
    let (value, if_mod) = (app.new_value(), app.latest(key));
    let mut client = member.client.clone();
    let name = full_key(key);
    let txn = Txn::new()
        .when([Compare::mod_revision(&*name, CompareOp::Equal, if_mod)])
        .and_then([TxnOp::put(&*name, &*value, None)])
        .or_else([TxnOp::get(&*name, None)]);
    let began_us = app.now_us();
    let answer = member.call(client.txn(txn)).await;
    let mut line = Line {
        key: Some(key.to_owned()),
        value: Some(value),
        if_mod: Some(if_mod),
        ..Line::of("cas")
    };
    let answer = answer.map(|answer| {
        line.revision = answer.header().map(|header| header.revision());
        line.applied = Some(answer.succeeded());
        if answer.succeeded() {
            app.learn(key, line.revision.unwrap_or(0));
            return;
        }
        line.modified = Some(0);
        for response in answer.op_responses() {
            if let TxnOpResponse::Get(read) = response
                && let Some(kv) = read.kvs().first()
            {
                line.found = Some(short(kv.value()));
                line.modified = Some(kv.mod_revision());
                app.learn(key, kv.mod_revision());
            }
        }
    });
    app.tell(line, member, began_us, answer);
}

/// Reads a key; whether it is there, if there is an answer.
pub(crate) async fn get(app: &App, member: &Member, key: &str, serializable: bool) -> Option<bool> {
    let mut client = member.client.clone();
    let options = serializable.then(|| GetOptions::new().with_serializable());
    let began_us = app.now_us();
    let answer = member.call(client.get(full_key(key), options)).await;
    let mut line = Line {
        key: Some(key.to_owned()),
        serializable,
        ..Line::of("get")
    };
    let answer = answer.map(|answer| {
        let kv = answer.kvs().first();
        line.revision = answer.header().map(|header| header.revision());
        line.value = kv.map(|kv| short(kv.value()));
        line.modified = Some(kv.map_or(0, |kv| kv.mod_revision()));
        app.learn(key, line.modified.unwrap_or(0));
    });
    let is_there = line.modified.map(|modified| modified > 0);
    app.tell(line, member, began_us, answer);
    is_there
}
