//! Manifests become a plan, and containers what they are started with.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::net::Ipv4Addr;
use std::time::Duration;

use common::kubernetes::{identity, plan_manifests, plan_text};
use squall_cluster::kubernetes::plan::{
    Address, Amount, Check, Hook, Kind, Leaves, Mount, Rolling, Target,
};
use squall_cluster::kubernetes::read_text;
use squall_cluster::machine::Shared;

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
  MODE: 'fast $$(not)'
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
spec: {selector: {app: web}, ports: [{name: a, port: 8000, targetPort: 80}, {name: b, port: 53, protocol: UDP}]}
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
        shared: None,
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
        ("WEB_MODE", "fast $$(not)"),
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

const LASTING: &str = "\
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  podManagementPolicy: Parallel
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 1}}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}, annotations: {note: 'a \"b\"'}}
    spec:
      serviceAccountName: robot
      nodeSelector: {kubernetes.io/hostname: node-2}
      enableServiceLinks: false
      initContainers:
        - {name: wait, image: busybox, command: [sh, -c, 'until curl db; do true; done']}
        - {name: side, image: mine/side, restartPolicy: Always}
      containers:
        - name: postgres
          image: postgres:16
          args: [-c, work_mem=$(MEM), -c, 'shared=$$x']
          env: [{name: MEM, value: 4MB}, {name: SA, valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}}]
          livenessProbe: {exec: {command: [pg_isready, -U, $(MEM)]}}
          lifecycle: {preStop: {sleep: {seconds: 3}}}
          volumeMounts:
            - {name: data, mountPath: /var/lib/postgresql/data}
            - {name: all, mountPath: /etc/all, readOnly: true}
            - {name: shared, mountPath: /shared}
      volumes:
        - name: all
          projected:
            sources:
              - configMap: {name: m, items: [{key: a, path: deep/a}]}
              - secret: {name: s}
              - downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}, {path: notes, fieldRef: {fieldPath: metadata.annotations}}]}
        - {name: shared, persistentVolumeClaim: {claimName: shared}}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: shared}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {a: A, b: B}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {key: c2VjcmV0}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: db}
spec: {maxUnavailable: 50%, selector: {matchLabels: {app: db}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 2
  activeDeadlineSeconds: 60
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: curlimages/curl, command: [curl, 'http://db']}]
---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: example.org}
---
apiVersion: v1
kind: Pod
metadata: {name: lone, labels: {x: y}}
spec: {hostname: h, subdomain: db, containers: [{name: c, image: mine/app:1, args: [--fast]}]}
";

const PROGRAMS: &[(&str, &str)] = &[("side", "worker"), ("mine/app", "worker")];

#[test]
fn a_folder_of_a_file_server_is_mounted() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: nginx\n    volumeMounts: [{name: v, mountPath: /home/, subPath: etcd}]\n  - name: d\n    image: nginx\n    volumeMounts: [{name: v, mountPath: /all}]\n  volumes: [{name: v, nfs: {server: files, path: /exports/}}]\n";
    let plan = plan_text(text, PROGRAMS).unwrap();
    let mounts = plan.workloads[0]
        .template
        .containers
        .iter()
        .map(|container| {
            let mount = &container.mounts[0];
            (mount.folder.clone(), mount.shared.clone().unwrap())
        });
    let on_files = |folder: &str, inside: &str| {
        let shared = Shared {
            volume: "nfs files".to_owned(),
            inside: inside.to_owned(),
        };
        (folder.to_owned(), shared)
    };
    assert_eq!(
        mounts.collect::<Vec<_>>(),
        [
            on_files("/home", "/exports/etcd"),
            on_files("/all", "/exports/")
        ]
    );
}

#[test]
fn a_stateful_set_with_volumes_is_planned() {
    let plan = plan_text(LASTING, PROGRAMS).unwrap();
    let db = &plan.workloads[0];
    let Kind::StatefulSet(set) = &db.kind else {
        panic!("{:?}", db.kind);
    };
    assert_eq!(
        (set.service.as_str(), set.parallel, set.partition),
        ("db", true, 1)
    );
    assert_eq!(set.claims, ["data"]);
    let template = &db.template;
    assert_eq!(template.node.as_deref(), Some("node-2"));
    // Any number of pods may have it at a time: it is no claim that a pod waits for.
    assert!(template.claims.is_empty());
    let init: Vec<_> = template
        .init
        .iter()
        .map(|it| (it.program.as_str(), it.sidecar))
        .collect();
    assert_eq!(init, [("shell", false), ("worker", true)]);
    let loop_ = ["sh", "-c", "until curl db; do true; done"];
    assert_eq!(template.init[0].args, loop_);
    let postgres = &template.containers[0];
    let mounts: Vec<_> = postgres
        .mounts
        .iter()
        .map(|mount| (mount.volume.as_str(), mount.shared.clone()))
        .collect();
    let shared = Shared {
        volume: "claim default/shared".to_owned(),
        inside: "/".to_owned(),
    };
    assert_eq!(mounts, [("data", None), ("shared", Some(shared))]);
    assert_eq!(postgres.pre_stop, Some(Hook::Sleep(Duration::from_secs(3))));
    let probe = &postgres.liveness.as_ref().unwrap().check;
    let expanded = ["pg_isready", "-U", "4MB"].map(str::to_owned);
    assert_eq!(*probe, Check::Exec(expanded.to_vec()));
    assert_eq!(plan.services[0].address, Address::Headless);
    let outside = Address::External("example.org".to_owned());
    assert_eq!(plan.services[1].address, outside);
    assert_eq!(
        plan.budgets[0].leaves,
        Leaves::Unavailable(Amount::Percent(50))
    );
    let Kind::Job(job) = plan.workloads[1].kind else {
        panic!("{:?}", plan.workloads[1].kind);
    };
    assert_eq!((job.completions, job.backoff_limit), (1, 2));
    assert_eq!(job.active_deadline, Some(Duration::from_secs(60)));
    let lone = &plan.workloads[2].template;
    assert_eq!(lone.labels["x"], "y");
    assert_eq!(lone.containers[0].args, ["--fast"]);
}

#[test]
fn a_container_starts_with_projected_files() {
    let plan = plan_text(LASTING, PROGRAMS).unwrap();
    let postgres = &plan.workloads[0].template.containers[0];
    let mut pod = identity("db-0");
    pod.annotations
        .insert("note".to_owned(), "a \"b\"".to_owned());
    let (launch, _) = postgres.start(&pod).unwrap();
    assert_eq!(launch.args, ["-c", "work_mem=4MB", "-c", "shared=$x"]);
    assert_eq!(launch.env["SA"], "robot");
    assert!(!launch.env.contains_key("OUTSIDE_SERVICE_HOST"));
    let read = |path: &str| launch.files.read(path).unwrap().content.to_string();
    assert_eq!(read("/etc/all/deep/a"), "A");
    assert!(launch.files.read("/etc/all/b").is_err());
    assert_eq!(read("/etc/all/key"), "secret");
    assert_eq!(read("/etc/all/labels"), "app=\"web\"");
    assert_eq!(read("/etc/all/notes"), "note=\"a \\\"b\\\"\"");
}

/// A workload whose program must resolve `name`.
fn needs(name: &str) -> String {
    format!(
        "{LASTING}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: conf, namespace: other}}\ndata: {{nginx.conf: 'server {name}'}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: asks, namespace: other}}\nspec:\n  containers: [{{name: c, image: nginx, volumeMounts: [{{name: v, mountPath: /etc/nginx}}]}}]\n  volumes: [{{name: v, configMap: {{name: conf}}}}]\n"
    )
}

#[test]
fn names_are_looked_up_as_from_the_pods_namespace() {
    for (name, found) in [
        ("db.default", true),
        ("db.default.svc", true),
        ("db.default.svc.cluster.local", true),
        ("db.default.svc.cluster.local.", true),
        ("db-0.db.default", true),
        ("db-2.db.default.svc.cluster.local", true),
        ("h.db.default.svc", true),
        ("localhost", true),
        ("10.0.0.1", true),
        ("asks", true),
        ("kube-dns.kube-system", true),
        ("kube-dns.kube-system.svc.cluster.local", true),
        ("db", false),
        ("db.other", false),
        ("db-x.db.default", false),
        ("lone.db.default", false),
        ("example.org", false),
    ] {
        let result = plan_text(&needs(name), PROGRAMS);
        assert_eq!(result.is_ok(), found, "{name}: {:?}", result.err());
    }
}

#[test]
fn a_story_may_set_another_image() {
    let manifests = read_text("lab/all.yaml", WEB).unwrap();
    let images = [("web", "nginx:1.28"), ("shop/web", "mine/nginx:2")];
    let programs = [("mine/nginx", "worker")];
    let plan = plan_manifests(&manifests, &programs, &images).unwrap();
    let revisions: Vec<_> = plan.workloads[0]
        .revisions
        .iter()
        .map(|(image, template)| (image.as_str(), template.containers[0].program.as_str()))
        .collect();
    assert_eq!(
        revisions,
        [("mine/nginx:2", "worker"), ("nginx:1.28", "edge")]
    );
    let unknown = plan_manifests(&manifests, &[], &[("web", "mine/other")]);
    let complaint = unknown.unwrap_err().to_string();
    assert!(
        complaint.contains("no program is known for the image mine/other"),
        "{complaint}"
    );
}

#[test]
fn addresses_that_are_chosen_are_given_to_nobody_else() {
    let service = |name: &str, spec: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{type: NodePort, ports: [{{port: 1{spec}\n---\n"
        )
    };
    let text = [
        service("a", "}]}"),
        service("b", ", nodePort: 30000}], clusterIP: 10.43.0.11}"),
        service("c", "}]}"),
    ];
    let plan = plan_text(&text.concat(), &[]).unwrap();
    let given: Vec<_> = plan
        .services
        .iter()
        .map(|service| match service.address {
            Address::Virtual(address) => (address.octets()[3], service.ports[0].node_port),
            _ => panic!("{service:?}"),
        })
        .collect();
    assert_eq!(
        given,
        [(12, Some(30_001)), (11, Some(30_000)), (13, Some(30_002))]
    );
}
