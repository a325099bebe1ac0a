//! Bringing a system up: each service when what it depends on is there.

use std::time::Duration;

use futures::future::{join_all, try_join_all};
use std::sync::Arc;

use super::{Compose, Error, Health, Inner, Phase, State};
use crate::compose::{Condition, Dependency};
use crate::machine::NodeId;
use crate::plan::ServicePlan;

/// A program that cannot start is given so long to end, so that the start can say it.
const SETTLE: Duration = Duration::from_millis(100);

impl Compose {
    /// Starts everything in the order of `depends_on`; returns when all run, and are healthy where
    /// they have a healthcheck. Services that ended with status 0 count as done.
    ///
    /// Errors: a dependency that will not come, a container that ended, or the deadline of
    /// [`super::Settings::up_timeout`], naming who was not there.
    pub async fn up(&self) -> Result<(), Error> {
        let timeout = self.inner.settings.up_timeout;
        let services = self.inner.lock().plan.services.clone();
        let all = services.iter().map(|service| self.inner.bring_up(service));
        let whole = async {
            try_join_all(all).await?;
            self.inner.until_ready().await
        };
        match tokio::time::timeout(timeout, whole).await {
            Ok(result) => result,
            Err(_) => Err(Error::Late {
                timeout,
                waiting: self.inner.lock().not_settled(),
            }),
        }
    }
}

/// How a dependency is.
enum Outlook {
    There,
    Coming,
    Hopeless(String),
}

impl Inner {
    async fn bring_up(self: &Arc<Self>, service: &ServicePlan) -> Result<(), Error> {
        let waits = service.depends_on.iter().map(|dependency| {
            let dependency = &dependency.value;
            async move { (dependency, self.wait_for(dependency).await) }
        });
        for (dependency, result) in join_all(waits).await {
            match result {
                Ok(()) => {}
                Err(reason) if !dependency.required => {
                    tracing::warn!(service = service.name, "starts without: {reason}");
                }
                Err(reason) => {
                    return Err(Error::Dependency {
                        service: service.name.clone(),
                        reason,
                    });
                }
            }
        }
        let nodes: Vec<NodeId> = self
            .lock()
            .of_service(&service.name)
            .map(|member| member.node)
            .collect();
        for node in nodes {
            self.start(node);
        }
        Ok(())
    }

    async fn wait_for(&self, dependency: &Dependency) -> Result<(), String> {
        let known = self
            .lock()
            .plan
            .services
            .iter()
            .any(|service| service.name == dependency.service);
        if !known {
            return Err(format!("{} is not active", dependency.service));
        }
        let timeout = self.settings.up_timeout;
        let outlook = self.until(timeout, |state| match state.outlook(dependency) {
            Outlook::There => Some(Ok(())),
            Outlook::Coming => None,
            Outlook::Hopeless(reason) => Some(Err(reason)),
        });
        match outlook.await {
            Ok(result) => result,
            Err(()) => Err(format!(
                "{} is not there after {timeout:?}",
                dependency.service
            )),
        }
    }

    /// Everything is there, and nothing ended or started in the time of [`SETTLE`].
    async fn until_ready(&self) -> Result<(), Error> {
        loop {
            let ready = self.until(self.settings.up_timeout, |state| {
                if let Some(error) = state.failed() {
                    return Some(Err(error));
                }
                state.not_ready().is_empty().then(|| Ok(state.starts()))
            });
            let before = match ready.await {
                Ok(result) => result?,
                // The caller's deadline is the same and says who is missing.
                Err(()) => std::future::pending().await,
            };
            tokio::time::sleep(SETTLE).await;
            let state = self.lock();
            if state.not_ready().is_empty() && state.starts() == before {
                return Ok(());
            }
        }
    }
}

impl State {
    fn outlook(&self, dependency: &Dependency) -> Outlook {
        for member in self.of_service(&dependency.service) {
            let name = &member.container.name;
            let there = match dependency.condition {
                Condition::Started => member.phase != Phase::Created,
                Condition::Healthy => match (member.phase, member.health) {
                    (_, Some(Health::Healthy)) => true,
                    (_, Some(Health::Unhealthy)) => {
                        return Outlook::Hopeless(format!("container {name} is unhealthy"));
                    }
                    (Phase::Exited(status), _) => {
                        return Outlook::Hopeless(format!(
                            "container {name} exited with status {status}"
                        ));
                    }
                    _ => false,
                },
                Condition::CompletedSuccessfully => match member.phase {
                    Phase::Exited(0) => true,
                    Phase::Exited(status) => {
                        return Outlook::Hopeless(format!(
                            "container {name} did not complete: status {status}"
                        ));
                    }
                    _ => false,
                },
            };
            if !there {
                return Outlook::Coming;
            }
        }
        Outlook::There
    }

    fn failed(&self) -> Option<Error> {
        self.members.iter().find_map(|member| match member.phase {
            Phase::Exited(status) if status != 0 => Some(Error::Exited {
                name: member.container.name.clone(),
                status,
            }),
            _ => None,
        })
    }

    fn starts(&self) -> u64 {
        self.members.iter().map(|member| member.generation).sum()
    }

    /// Who is not there yet, or does not stay.
    fn not_settled(&self) -> Vec<String> {
        let missing = self.not_ready();
        if !missing.is_empty() {
            return missing;
        }
        self.members
            .iter()
            .filter(|member| member.restarts > 0)
            .map(|member| {
                format!(
                    "{} (restarted {} times)",
                    member.container.name, member.restarts
                )
            })
            .collect()
    }

    /// Who is not there yet, and how it is.
    fn not_ready(&self) -> Vec<String> {
        self.members
            .iter()
            .filter_map(|member| {
                let how = match (member.phase, member.health) {
                    (Phase::Running, None | Some(Health::Healthy)) | (Phase::Exited(0), _) => {
                        return None;
                    }
                    (Phase::Running, Some(Health::Starting)) => "health: starting".to_owned(),
                    (Phase::Running, Some(Health::Unhealthy)) => "unhealthy".to_owned(),
                    (Phase::Created, _) => "waits for what it depends on".to_owned(),
                    (Phase::Paused, _) => "paused".to_owned(),
                    (Phase::Ending, _) => "ending".to_owned(),
                    (Phase::Hollow, _) => "without its process".to_owned(),
                    (Phase::Restarting(status), _) => format!(
                        "restarting after status {status}, {} times so far",
                        member.restarts
                    ),
                    (Phase::Exited(status), _) => format!("exited with status {status}"),
                };
                Some(format!("{} ({how})", member.container.name))
            })
            .collect()
    }
}
