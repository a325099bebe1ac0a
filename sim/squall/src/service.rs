//! A service of a test's own: how many of it, and what its containers are given.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_cluster::compose::{
    Attachment, Condition, Dependency, HealthcheckSetting, Located, Mount, MountSource, Restart,
};
use squall_host::Origin;

/// Docker's grace between SIGTERM and SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A service in the making; its methods can be chained.
pub struct Service<'a>(pub(crate) &'a mut squall_cluster::compose::Service);

impl Service<'_> {
    /// So many containers, each on a machine of its own: `NAME-1`, `NAME-2`… in faults.
    pub fn replicas(self, replicas: u32) -> Self {
        self.0.replicas.value = replicas;
        self
    }

    /// A variable of the environment; for [`crate::Test::image`].
    pub fn env(self, key: &str, value: &str) -> Self {
        self.0.environment.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A file in the containers, as `nginx.conf`; for [`crate::Test::image`].
    pub fn file(self, path: &str, content: &str) -> Self {
        let mount = Mount {
            source: MountSource::Content(content.to_owned()),
            target: path.to_owned(),
            create: false,
        };
        self.0.mounts.push(Located {
            value: mount,
            origin: self.0.origin.clone(),
        });
        self
    }

    /// Starts after another service has been started.
    pub fn after(self, service: &str) -> Self {
        let dependency = Dependency {
            service: service.to_owned(),
            condition: Condition::Started,
            required: true,
        };
        self.0.depends_on.push(Located {
            value: dependency,
            origin: self.0.origin.clone(),
        });
        self
    }

    /// Is started again whenever it ends by itself, as `restart: always` says in a Compose file.
    pub fn restart_always(self) -> Self {
        self.0.restart = Restart::Always;
        self
    }

    /// Cores for each container.
    pub fn cpus(self, cpus: f64) -> Self {
        self.0.cpu_limit = Some(cpus);
        self
    }
}

/// One container of a service on the one network that there is.
pub(crate) fn service(name: &str, origin: Origin) -> squall_cluster::compose::Service {
    let located = |value| Located {
        value,
        origin: origin.clone(),
    };
    let network = located(Attachment {
        network: "default".to_owned(),
        aliases: Vec::new(),
        address: None,
    });
    squall_cluster::compose::Service {
        name: name.to_owned(),
        image: None,
        build: None,
        command: None,
        entrypoint: None,
        environment: BTreeMap::new(),
        labels: BTreeMap::new(),
        ports: Vec::new(),
        depends_on: Vec::new(),
        healthcheck: HealthcheckSetting::Disabled,
        restart: Restart::No,
        networks: vec![network],
        host_network: false,
        mounts: Vec::new(),
        cpu_limit: None,
        memory_limit_bytes: None,
        replicas: Located {
            value: 1,
            origin: origin.clone(),
        },
        container_name: None,
        hostname: None,
        stop_grace: STOP_GRACE,
        stop_at_once: false,
        extra_hosts: Vec::new(),
        working_dir: None,
        origin,
    }
}
