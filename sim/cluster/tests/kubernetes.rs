//! Manifests become a plan, and containers what they are started with.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::kubernetes::{identity, plan_text};
use squall_cluster::kubernetes::plan::{Address, Amount, Check, Kind, Mount, Rolling, Target};

const WEB: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web, namespace: shop}
data:
  nginx.conf: |
    listen 80
    server api
    server api.shop
    server api.shop.svc.cluster.local
  MODE: 'fast $(not)'
---
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: shop}
data: {user: YXBw}
stringData: {password: secret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 5
      containers:
        - name: nginx
          image: nginx:1.27
          ports: [{name: http, containerPort: 80}]
          envFrom: [{configMapRef: {name: web}, prefix: WEB_}]
          env:
            - {name: WHO, valueFrom: {secretKeyRef: {name: login, key: user}}}
            - {name: GREETING, value: 'hello $(WHO) at $(API_SERVICE_HOST) $$(WHO) $(NOBODY)'}
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: 1m}}}
          resources: {limits: {cpu: 250m, memory: 64Mi}}
          readinessProbe: {httpGet: {path: /health, port: http}, periodSeconds: 5}
          livenessProbe: {tcpSocket: {port: 80}, initialDelaySeconds: 3}
          volumeMounts:
            - {name: config, mountPath: /etc/nginx/nginx.conf, subPath: nginx.conf}
            - {name: cache, mountPath: /var/cache/}
      volumes:
        - {name: config, configMap: {name: web}}
        - {name: cache, emptyDir: {}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: web}, ports: [{name: a, port: 8000}, {name: b, port: 53, protocol: UDP}]}
";

#[test]
fn a_deployment_with_its_services_is_planned() {
    let plan = plan_text(WEB, &[]).unwrap();
    assert_eq!(plan.warnings, []);
    let web = &plan.workloads[0];
    assert_eq!((web.namespace.as_str(), web.replicas), ("shop", 2));
    let Kind::Deployment(rollout) = web.kind else {
        panic!("{:?}", web.kind);
    };
    let share = Amount::Percent(25);
    let rolling = Rolling {
        max_surge: share,
        max_unavailable: share,
    };
    assert_eq!(rollout.rolling, Some(rolling));
    assert_eq!(rollout.progress_deadline, Duration::from_secs(600));
    assert_eq!(web.template.grace, Duration::from_secs(5));
    let nginx = &web.template.containers[0];
    assert_eq!(nginx.program, "edge");
    assert_eq!(nginx.cpu_limit, Some(0.25));
    assert_eq!(nginx.memory_limit_bytes, Some(64 << 20));
    let cache = Mount {
        volume: "cache".to_owned(),
        folder: "/var/cache".to_owned(),
    };
    assert_eq!(nginx.mounts, [cache]);
    let readiness = nginx.readiness.as_ref().unwrap();
    assert_eq!(
        (readiness.period, readiness.failures),
        (Duration::from_secs(5), 3)
    );
    let (service, api) = (&plan.services[0], &plan.services[1]);
    assert_eq!(
        service.address,
        Address::Virtual(Ipv4Addr::new(10, 43, 0, 11))
    );
    assert_eq!(api.address, Address::Virtual(Ipv4Addr::new(10, 43, 0, 12)));
    assert_eq!(service.ports[0].target, Target::Name("http".to_owned()));
    assert_eq!(service.ports[0].node_port, Some(30_000));
}

#[test]
fn a_container_starts_with_its_environment_and_files() {
    let plan = plan_text(WEB, &[]).unwrap();
    let nginx = &plan.workloads[0].template.containers[0];
    let (launch, _) = nginx.start(&identity("web-1")).unwrap();
    for (name, value) in [
        ("WHO", "app"),
        ("GREETING", "hello app at 10.43.0.12 $(WHO) $(NOBODY)"),
        ("POD", "web-1"),
        ("CPUS", "250"),
        ("WEB_MODE", "fast $(not)"),
        ("HOSTNAME", "web-1"),
        ("WEB_SERVICE_PORT", "80"),
        ("API_PORT", "tcp://10.43.0.12:8000"),
        ("API_SERVICE_PORT_B", "53"),
        ("API_PORT_53_UDP_PROTO", "udp"),
        ("API_PORT_53_UDP_ADDR", "10.43.0.12"),
    ] {
        assert_eq!(
            launch.env.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    let file = launch.files.read("/etc/nginx/nginx.conf").unwrap();
    assert!(file.content.starts_with("listen 80\n"));
    assert_eq!(&*file.shown_as, "lab/all.yaml (ConfigMap web, nginx.conf)");
}

#[test]
fn probes_are_commands() {
    let (address, timeout) = (Ipv4Addr::new(10, 42, 0, 9), Duration::from_secs(2));
    let command = |check: Check| check.command(address, timeout).join(" ");
    let http = Check::Http {
        port: 8000,
        path: "/x?y=1".to_owned(),
        headers: vec![("X-A".to_owned(), "b c".to_owned())],
    };
    assert_eq!(
        command(http),
        "curl -fsS -o /dev/null -m 2 -A kube-probe/1.33 -H X-A: b c http://10.42.0.9:8000/x?y=1"
    );
    assert_eq!(command(Check::Tcp { port: 5 }), "nc -z -w 2 10.42.0.9 5");
    let grpc = Check::Grpc {
        port: 7,
        service: "s".to_owned(),
    };
    assert_eq!(
        command(grpc),
        "grpc_health_probe -addr=10.42.0.9:7 -service=s"
    );
    let exec = Check::Exec(vec!["true".to_owned()]);
    assert_eq!(command(exec), "true");
}
