//! The system under test, as Compose runs it.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::machine::NodeId;
use squall_cluster::supervise::{Compose, Error};

use crate::file::Process;
use crate::members;
use crate::world::{Pod, System};

pub(super) struct ComposeSystem(Compose);

impl ComposeSystem {
    pub(super) fn new(compose: Compose) -> Self {
        Self(compose)
    }
}

impl System for ComposeSystem {
    fn up(&self) -> BoxFuture<'static, Result<(), String>> {
        let compose = self.0.clone();
        Box::pin(async move { compose.up().await.map_err(sentence) })
    }

    fn services(&self) -> Vec<String> {
        let mut services = Vec::new();
        for status in self.0.status() {
            if !services.contains(&status.service) {
                services.push(status.service);
            }
        }
        services
    }

    fn nodes(&self, service: &str) -> Vec<NodeId> {
        self.0.nodes(service).unwrap_or_default()
    }

    fn service_at(&self, address: IpAddr) -> Option<String> {
        self.0
            .status()
            .into_iter()
            .find(|status| status.address == address)
            .map(|status| status.service)
    }

    fn act(&self, service: &str, process: Process) -> BoxFuture<'static, Result<(), String>> {
        let (compose, service) = (self.0.clone(), service.to_owned());
        Box::pin(async move {
            match process {
                Process::Kill => compose.kill(&service).await,
                Process::Stop => compose.stop(&service).await,
                Process::Start => compose.start(&service).await,
                Process::Restart => compose.restart(&service).await,
                Process::Pause => compose.pause(&service),
                Process::Unpause => compose.unpause(&service),
            }
            .map_err(sentence)
        })
    }

    fn members(&self) -> Vec<Pod> {
        let pods = self.0.containers().into_iter();
        pods.map(|(container, node, phase, project)| Pod {
            member: members::of_container(&container, &project, phase),
            node,
        })
        .collect()
    }

    fn stop_within(&self, target: &str, grace: Duration) -> BoxFuture<'static, Result<(), String>> {
        let (compose, target) = (self.0.clone(), target.to_owned());
        Box::pin(async move { compose.stop_within(&target, grace).await.map_err(sentence) })
    }

    fn hollow(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let (compose, target) = (self.0.clone(), target.to_owned());
        Box::pin(async move { compose.hollow(&target).await.map_err(sentence) })
    }

    fn scale(&self, service: &str, replicas: u32) -> BoxFuture<'static, Result<(), String>> {
        let (compose, service) = (self.0.clone(), service.to_owned());
        Box::pin(async move { compose.scale(&service, replicas).await.map_err(sentence) })
    }
}

fn sentence(error: Error) -> String {
    error.to_string()
}
