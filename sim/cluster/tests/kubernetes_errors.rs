//! Every mistake in a manifest is named with its line and field.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use common::kubernetes::plan_text;

/// Manifests, and `LINE: part of the message` for each complaint.
fn complaints(text: &str, expected: &[(u32, &str)]) {
    let Err(diagnostics) = plan_text(text, &[]) else {
        panic!("no complaint about\n{text}");
    };
    held(&diagnostics.0, text, expected);
}

fn held(list: &[squall_host::Diagnostic], text: &str, expected: &[(u32, &str)]) {
    let shown: Vec<String> = list.iter().map(ToString::to_string).collect();
    let shown = shown.join("\n");
    for (line, part) in expected {
        let found = list.iter().any(|diagnostic| {
            let origin = diagnostic.origin.as_ref();
            origin.is_some_and(|o| o.line == *line && &*o.file == "lab/all.yaml")
                && diagnostic.to_string().contains(part)
        });
        assert!(found, "line {line}: {part}\nin\n{shown}\nabout\n{text}");
    }
    assert_eq!(list.len(), expected.len(), "{shown}\nabout\n{text}");
}

/// A Deployment whose pod's spec is this, from line 8 on.
fn pod(spec: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\nspec:\n  selector: {{matchLabels: {{app: a}}}}\n  template:\n    metadata: {{labels: {{app: a}}}}\n    spec:\n{spec}"
    )
}

/// A Deployment whose only container has these fields, from line 10 on.
fn container(fields: &str) -> String {
    pod(&format!(
        "      containers:\n      - {{name: c, image: nginx,\n{}}}\n",
        fields.trim_end()
    ))
}

#[test]
fn unknown_fields() {
    complaints(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, lables: {}}\nspec:\n  replcas: 2\n  selector: {matchLabels: {app: a}}\n  template:\n    spec:\n      containers:\n      - name: c\n        imagePolicy: x\n        livenessProbe:\n          httpGet: {prot: 80}\n        zzzzzzzzzz: 1\nspecs: 1\n",
        &[
            (
                3,
                "Deployment a: metadata.lables: unknown field\n    help: did you mean `labels`?",
            ),
            (
                5,
                "Deployment a: spec.replcas: unknown field\n    help: did you mean `replicas`?",
            ),
            (
                11,
                "Deployment a: spec.template.spec.containers[0].imagePolicy: unknown field",
            ),
            (
                13,
                "containers[0].livenessProbe.httpGet.prot: unknown field\n    help: did you mean `port`?",
            ),
            (14, "containers[0].zzzzzzzzzz: unknown field"),
            (
                15,
                "Deployment a: specs: unknown field\n    help: did you mean `spec`?",
            ),
        ],
    );
}

#[test]
fn refused_fields() {
    complaints(
        &pod(
            "      hostNetwork: true\n      dnsPolicy: None\n      hostAliases: []\n      containers:\n      - name: c\n        image: nginx\n        volumeDevices: []\n        ports: [{containerPort: 80, hostPort: 80}]\n        livenessProbe: {httpGet: {port: 80, scheme: HTTPS}}\n      volumes:\n      - name: v\n        hostPath: {path: /var/run/docker.sock}\n",
        ),
        &[
            (
                9,
                "Deployment a: spec.template.spec.hostNetwork: `true` is not played here\n    help: false is",
            ),
            (
                10,
                "spec.template.spec.dnsPolicy: `None` is not played here\n    help: ClusterFirst is",
            ),
            (
                11,
                "spec.template.spec.hostAliases: not played here\n    help: name the other side",
            ),
            (15, "containers[0].volumeDevices: not played here"),
            (16, "containers[0].ports[0].hostPort: not played here"),
            (
                17,
                "containers[0].livenessProbe.httpGet.scheme: `HTTPS` is not played here",
            ),
            (
                20,
                "spec.template.spec.volumes[0].hostPath: not played here\n    help: a node has no folders",
            ),
        ],
    );
}

#[test]
fn kinds() {
    complaints(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: a}\n---\napiVersion: apps/v1\nkind: DaemonSet\n---\napiVersion: apps/v1\nkind: Deplyment\n---\napiVersion: cert-manager.io/v1\nkind: Certificate\n---\nkind: Pod\n---\n- 1\n---\napiVersion: extensions/v1beta1\nkind: Deployment\n",
        &[
            (
                2,
                "the kind IngressClass is not played\n    help: leave it away: there is one controller for every Ingress",
            ),
            (
                6,
                "the kind DaemonSet is not played\n    help: write a Deployment",
            ),
            (
                9,
                "the kind Deplyment is not played\n    help: did you mean Deployment?",
            ),
            (
                12,
                "the kind Certificate is not played\n    help: the kinds that are played: Namespace, Deployment",
            ),
            (14, "an object without apiVersion and kind"),
            (16, "a list where an object belongs"),
            (
                18,
                "Deployment: no such apiVersion: `extensions/v1beta1`\n    help: write `apiVersion: apps/v1`",
            ),
        ],
    );
}

#[test]
fn lists_are_unpacked() {
    complaints(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a_b}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: s}\n  data: {k: '???'}\n",
        &[
            (
                6,
                "ConfigMap a_b: metadata.name: `a_b` is no RFC 1123 subdomain",
            ),
            (10, "Secret s: data.k: Invalid symbol"),
        ],
    );
}

#[test]
fn wrong_types() {
    complaints(
        &container("        env: [{name: A, value: 1}]\n"),
        &[(
            11,
            "Deployment a: spec.template.spec.containers[0].env[0].value: invalid type: integer `1`, expected a string",
        )],
    );
    complaints(
        &container("        ports: 80\n"),
        &[(
            11,
            "containers[0].ports: invalid type: integer `80`, expected a sequence",
        )],
    );
    complaints(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  debug: true\n",
        &[(
            5,
            "ConfigMap a: data.debug: invalid type: boolean `true`, expected a string",
        )],
    );
}

#[test]
fn what_the_api_server_refuses() {
    complaints(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: A}\nspec:\n  replicas: -1\n  selector: {matchLabels: {app: b}}\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}\n  progressDeadlineSeconds: 5\n  minReadySeconds: 5\n  template:\n    metadata: {labels: {app: a}}\n    spec:\n      restartPolicy: Never\n      containers:\n      - {name: c, image: nginx}\n      - {name: c, image: nginx}\n",
        &[(
            3,
            "Deployment A: metadata.name: `A` is no RFC 1123 subdomain",
        )],
    );
    complaints(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: -1\n  selector: {matchLabels: {app: b}}\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}\n  progressDeadlineSeconds: 5\n  minReadySeconds: 5\n  template:\n    metadata: {labels: {app: a}}\n    spec:\n      restartPolicy: Never\n      containers:\n      - {name: c, image: nginx}\n      - {name: c, image: nginx}\n",
        &[
            (5, "Deployment a: spec.replicas: -1 is less than 0"),
            (
                6,
                "spec.selector.matchLabels.app: `b`, and the template's label is `a`",
            ),
            (
                7,
                "spec.strategy.rollingUpdate: maxSurge and maxUnavailable are both 0",
            ),
            (
                8,
                "spec.progressDeadlineSeconds: must be more than minReadySeconds",
            ),
            (
                13,
                "spec.template.spec.restartPolicy: Never is not for this kind\n    help: [Always] is",
            ),
            (16, "containers[1].name: the container `c` is there twice"),
        ],
    );
    complaints(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  template:\n    spec:\n      containers: []\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: 1a}\n",
        &[(
            15,
            "Service 1a: metadata.name: `1a`: the name of a Service begins with a letter",
        )],
    );
    complaints(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  template:\n    spec:\n      containers: []\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: p}\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec: {updateStrategy: {type: Now}, podManagementPolicy: All}\n",
        &[
            (
                7,
                "Job j: spec.template.spec.containers: a container is required",
            ),
            (9, "Pod p: spec: is required"),
            (16, "StatefulSet s: spec.selector: is required"),
            (
                16,
                "spec.podManagementPolicy: `All` is neither OrderedReady nor Parallel",
            ),
            (
                16,
                "spec.updateStrategy.type: `Now` is neither RollingUpdate nor OnDelete",
            ),
            (16, "StatefulSet s: spec.template.spec: is required"),
        ],
    );
    complaints(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\n",
        &[(5, "ConfigMap a: is there twice; first at lab/all.yaml:1")],
    );
}

#[test]
fn containers() {
    complaints(
        &container(
            "        ports: [{containerPort: 0}, {name: p, containerPort: 1}, {name: p, containerPort: 2}],\n        resources: {limits: {cpu: many}},\n        readinessProbe: {httpGet: {port: web}, periodSeconds: 0},\n        livenessProbe: {exec: {command: [frobnicate]}, successThreshold: 2},\n        startupProbe: {},\n        lifecycle: {preStop: {exec: {command: []}}, postStart: {}},\n        restartPolicy: Always\n",
        ),
        &[
            (11, "containers[0].ports[0].containerPort: 0 is no port"),
            (
                11,
                "containers[0].ports[2].name: the port name `p` is there twice",
            ),
            (
                12,
                "containers[0].resources.limits.cpu: `many` is no quantity",
            ),
            (
                13,
                "containers[0].readinessProbe.httpGet.port: the container has no port of the name `web`",
            ),
            (
                14,
                "containers[0].livenessProbe.exec.command: no program here can run `frobnicate`",
            ),
            (
                15,
                "containers[0].startupProbe: one of httpGet, tcpSocket, exec and grpc is wanted",
            ),
            (
                16,
                "containers[0].lifecycle.preStop.exec.command: a command is required",
            ),
            (
                16,
                "containers[0].lifecycle.postStart: one of exec, httpGet and sleep is wanted",
            ),
            (
                17,
                "containers[0].restartPolicy: only an init container has one",
            ),
        ],
    );
    complaints(
        &container(
            "        readinessProbe: {httpGet: {port: 80}, periodSeconds: 0}, livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}\n",
        ),
        &[
            (
                11,
                "containers[0].readinessProbe.periodSeconds: 0 is less than 1",
            ),
            (
                11,
                "containers[0].livenessProbe.successThreshold: must be 1",
            ),
        ],
    );
    complaints(
        &pod(
            "      containers:\n      - {name: c, image: mine/app}\n      - {name: d}\n      - {name: e, image: nginx, command: [python, app.py]}\n",
        ),
        &[
            (
                10,
                "containers[0].image: no program is known for the image mine/app\n    help: name the program that plays it in the scenario file: `programs: {\"mine/app\": PROGRAM}`",
            ),
            (11, "containers[1]: an image is required"),
            (
                12,
                "containers[2].command: `python app.py` is no command that edge can play",
            ),
        ],
    );
}

#[test]
fn environment_and_volumes() {
    complaints(
        &format!(
            "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{a: x}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: other}}\n",
            pod(
                "      containers:\n      - name: c\n        image: nginx\n        env:\n        - {name: A, valueFrom: {configMapKeyRef: {name: n, key: k}}}\n        - {name: B, valueFrom: {configMapKeyRef: {name: m, key: k}}}\n        - {name: C, valueFrom: {secretKeyRef: {name: s, key: k}}}\n        - {name: D, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}\n        - {name: E, valueFrom: {fieldRef: {fieldPath: metadata.nam}}}\n        - {name: F, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}\n        - {name: G, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}\n        envFrom: [{configMapRef: {name: n, optional: true}}, {secretRef: {name: s}}, {}]\n        volumeMounts:\n        - {name: none, mountPath: /a}\n        - {name: m, mountPath: b}\n        - {name: m, mountPath: /c, subPath: k}\n      volumes:\n      - {name: m, configMap: {name: m, items: [{key: a, path: a}, {key: b, path: b}, {key: a, path: ../a}]}}\n      - {name: n, configMap: {name: n}}\n      - {name: p, persistentVolumeClaim: {claimName: p}}\n      - {name: q}\n      - {name: q, emptyDir: {}}\n"
            )
        ),
        &[
            (
                13,
                "env[0].valueFrom.configMapKeyRef: there is no ConfigMap `n` in the namespace default",
            ),
            (
                14,
                "env[1].valueFrom.configMapKeyRef.key: ConfigMap `m` has no key `k`\n    help: its keys are a",
            ),
            (
                15,
                "env[2].valueFrom.secretKeyRef: there is no Secret `s` in the namespace default\n    help: there is one in the namespace other",
            ),
            (
                17,
                "env[4].valueFrom.fieldRef.fieldPath: `metadata.nam` is no field",
            ),
            (
                18,
                "env[5].valueFrom.resourceFieldRef: there is no limits.cpu, and nodes have no sizes here",
            ),
            (19, "env[6]: one of value and valueFrom is wanted"),
            (20, "envFrom[1].secretRef: there is no Secret `s`"),
            (
                20,
                "envFrom[2]: one of configMapRef and secretRef is wanted",
            ),
            (22, "volumeMounts[0].name: the pod has no volume `none`"),
            (23, "volumeMounts[1].mountPath: `b` is no absolute path"),
            (
                24,
                "volumeMounts[2].subPath: the volume `m` has no file `k`\n    help: its files are a",
            ),
            (
                26,
                "volumes[0].configMap.items[1].key: ConfigMap `m` has no key `b`",
            ),
            (
                26,
                "volumes[0].configMap.items[2].path: `../a` is no path in the volume",
            ),
            (27, "volumes[1].configMap: there is no ConfigMap `n`"),
            (
                28,
                "volumes[2].persistentVolumeClaim.claimName: there is no PersistentVolumeClaim `p`",
            ),
            (29, "volumes[3]: a volume is one of"),
            (30, "volumes[4].name: the volume `q` is there twice"),
        ],
    );
}

#[test]
fn services() {
    complaints(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {clusterIP: 10.43.0.10, ports: [{port: 1}, {port: 2}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {clusterIP: 10.44.0.1}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: c}\nspec: {clusterIP: 10.43.1.1, ports: [{port: 70000}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: d}\nspec: {type: NodePort, clusterIP: 10.43.1.1, ports: [{port: 1, nodePort: 80}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: e}\nspec: {type: NodePort, ports: [{port: 1, nodePort: 30080}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: f}\nspec: {type: NodePort, ports: [{port: 1, nodePort: 30080}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: g}\nspec: {type: ExternalName}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: h}\nspec: {ports: [{port: 1, nodePort: 30081}]}\n",
        &[
            (
                4,
                "Service a: spec.clusterIP: 10.43.0.10 is the address of the name server",
            ),
            (
                4,
                "Service a: spec.ports[0]: of several ports, each needs a name",
            ),
            (
                4,
                "Service a: spec.ports[1]: of several ports, each needs a name",
            ),
            (
                9,
                "Service b: spec.clusterIP: 10.44.0.1 is not in the range 10.43.0.0/16",
            ),
            (9, "Service b: spec.ports: a port is required"),
            (14, "Service c: spec.ports[0].port: 70000 is no port"),
            (
                19,
                "Service d: spec.clusterIP: 10.43.1.1 is given already, at lab/all.yaml:14",
            ),
            (
                19,
                "Service d: spec.ports[0].nodePort: 80 is not in the range of node ports",
            ),
            (
                29,
                "Service f: spec.ports[0].nodePort: the node port 30080 is taken already, at lab/all.yaml:24",
            ),
            (34, "Service g: spec.externalName: is required"),
            (
                39,
                "Service h: spec.ports[0].nodePort: only a NodePort has one",
            ),
        ],
    );
    complaints(
        &format!(
            "{}---\napiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{selector: {{app: a}}, ports: [{{port: 1, targetPort: web}}]}}\n",
            container("        ports: [{containerPort: 80}]\n")
        ),
        &[(
            16,
            "Service a: spec.ports[0].targetPort: no container of a has a port `web`",
        )],
    );
}

#[test]
fn warnings() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: n}\nspec: {type: LoadBalancer, selector: {app: a}, ports: [{port: 1}]}\n---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: b}\nspec: {selector: {matchLabels: {app: a}}}\n";
    let plan = plan_text(text, &[]).unwrap();
    held(
        &plan.warnings,
        text,
        &[
            (
                3,
                "Service a: metadata.namespace: no manifest makes the namespace n",
            ),
            (
                4,
                "Service a: spec.type: there is no cloud that would balance",
            ),
            (4, "Service a: spec.selector: no pod has these labels"),
            (
                9,
                "PodDisruptionBudget b: spec.selector: no pod has these labels",
            ),
        ],
    );
}

#[test]
fn configuration_inside_a_config_map() {
    let text = format!(
        "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata:\n  nginx.conf: |\n    listen 80\n    bad thing\n",
        pod(
            "      containers:\n      - {name: c, image: nginx, volumeMounts: [{name: m, mountPath: /etc/nginx}]}\n      volumes: [{name: m, configMap: {name: m}}]\n"
        )
    );
    let complaint = plan_text(&text, &[]).unwrap_err().to_string();
    assert_eq!(
        complaint,
        "lab/all.yaml (ConfigMap m, nginx.conf):2: unknown `bad`"
    );
    let text = text.replace("bad thing", "server apy");
    let complaint = plan_text(&text, &[]).unwrap_err().to_string();
    assert!(
        complaint.starts_with("lab/all.yaml (ConfigMap m, nginx.conf):2: host not found: `apy`"),
        "{complaint}"
    );
}

#[test]
fn a_port_on_which_nobody_listens() {
    let text = format!(
        "{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: m}}\ndata: {{nginx.conf: listen 80}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{selector: {{app: a}}, ports: [{{name: x, port: 80}}, {{name: y, port: 81, targetPort: 8080}}]}}\n",
        pod(
            "      containers:\n      - {name: c, image: nginx, volumeMounts: [{name: m, mountPath: /etc/nginx}]}\n      volumes: [{name: m, configMap: {name: m}}]\n"
        )
    );
    let plan = plan_text(&text, &[]).unwrap();
    held(
        &plan.warnings,
        &text,
        &[(
            18,
            "Service s: port 81 leads to port 8080 of a, and nothing listens on it\n    help: a listens on 80",
        )],
    );
}

#[test]
fn a_service_of_one_pod_of_a_stateful_set_has_somebody_behind_it() {
    let service = |pod: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec:\n  selector: {{statefulset.kubernetes.io/pod-name: {pod}}}\n  ports: [{{port: 80}}]\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: a}}\nspec:\n  serviceName: s\n  replicas: 2\n  selector: {{matchLabels: {{app: a}}}}\n  template:\n    metadata: {{labels: {{app: a}}}}\n    spec:\n      containers: [{{name: c, image: nginx}}]\n"
        )
    };
    for (pod, is_there) in [("a-0", true), ("a-1", true), ("a-2", false), ("b-0", false)] {
        let plan = plan_text(&service(pod), &[]).unwrap();
        let told = plan.warnings.iter().map(ToString::to_string);
        let told = told
            .filter(|one| one.contains("no pod has these labels"))
            .count();
        assert_eq!(told, usize::from(!is_there), "{pod}: {:?}", plan.warnings);
    }
}
