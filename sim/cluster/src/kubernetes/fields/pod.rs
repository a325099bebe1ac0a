//! Fields of pods and of what is in them (core/v1).

use super::{Field, Table, object, only, played, refused, shared, without_effect};

/// In the order of the book.
pub(super) const TABLES: &[&Table] = &[
    &META, &TEMPLATE, &POD, &CONTAINER, &PROBE, &HANDLER, &VOLUME,
];

const CLUSTERS: &str = "a cluster writes it";

pub(super) const META: Table = Table {
    name: "ObjectMeta",
    fields: &[
        played("name"),
        played("namespace"),
        played("labels"),
        played("annotations"),
        without_effect("finalizers", "nothing waits for a deletion here"),
        without_effect("creationTimestamp", CLUSTERS),
        without_effect("deletionTimestamp", CLUSTERS),
        without_effect("generation", CLUSTERS),
        without_effect("managedFields", CLUSTERS),
        without_effect("ownerReferences", CLUSTERS),
        without_effect("resourceVersion", CLUSTERS),
        without_effect("selfLink", CLUSTERS),
        without_effect("uid", CLUSTERS),
        refused("generateName", "give it a `name`"),
    ],
};

pub(super) const TEMPLATE: Table = Table {
    name: "PodTemplateSpec",
    fields: &[
        object(
            "metadata",
            &[
                played("labels"),
                played("annotations"),
                without_effect("name", "a pod is named after what it belongs to"),
                without_effect("namespace", "a pod is where what it belongs to is"),
                without_effect("creationTimestamp", CLUSTERS),
            ],
        ),
        shared("spec", &POD),
    ],
};

const ROOM: &str = "there is room for every pod";
const USERS: &str = "there are no users and no privileges here";

pub(super) const POD: Table = Table {
    name: "PodSpec",
    fields: &[
        shared("containers[]", &CONTAINER),
        shared("initContainers[]", &CONTAINER),
        shared("volumes[]", &VOLUME),
        played("restartPolicy"),
        played("terminationGracePeriodSeconds"),
        played("hostname"),
        played("subdomain"),
        played("nodeName"),
        object(
            "nodeSelector",
            &[
                played("kubernetes.io/hostname"),
                without_effect("kubernetes.io/os", "all nodes are alike"),
                without_effect("kubernetes.io/arch", "all nodes are alike"),
            ],
        ),
        played("enableServiceLinks"),
        played("serviceAccountName"),
        played("serviceAccount"),
        only("dnsPolicy", &["ClusterFirst"]),
        only("hostNetwork", &["false"]),
        only("hostPID", &["false"]),
        only("hostIPC", &["false"]),
        only("shareProcessNamespace", &["false"]),
        only("setHostnameAsFQDN", &["false"]),
        without_effect(
            "affinity",
            "pods are spread over the nodes as the scheduler does without it",
        ),
        without_effect(
            "topologySpreadConstraints",
            "pods are spread over the nodes as the scheduler does without it",
        ),
        without_effect("tolerations", "no node is tainted"),
        without_effect("priority", ROOM),
        without_effect("priorityClassName", ROOM),
        without_effect("preemptionPolicy", ROOM),
        without_effect("schedulerName", "there is one scheduler"),
        without_effect("runtimeClassName", "there is one runtime"),
        without_effect("os", "all nodes are alike"),
        without_effect("securityContext", USERS),
        without_effect("automountServiceAccountToken", "there is no API server"),
        without_effect("imagePullSecrets", "every image is there"),
        refused(
            "hostAliases",
            "name the other side by a Service; `type: ExternalName` gives another name",
        ),
        refused(
            "dnsConfig",
            "leave it away: names are looked up as `dnsPolicy: ClusterFirst` says",
        ),
        refused(
            "activeDeadlineSeconds",
            "a Job has it in its own `spec`; a Deployment cannot",
        ),
        refused(
            "readinessGates",
            "say with a readinessProbe when the pod is ready",
        ),
    ],
};

const KEY_REF: &[Field] = &[played("name"), played("key"), played("optional")];
const SOURCE_REF: &[Field] = &[played("name"), played("optional")];
const FIELD_REF: &[Field] = &[played("fieldPath"), only("apiVersion", &["v1"])];
const RESOURCE_REF: &[Field] = &[
    played("containerName"),
    played("resource"),
    played("divisor"),
];

pub(super) const CONTAINER: Table = Table {
    name: "Container",
    fields: &[
        played("name"),
        played("image"),
        played("command"),
        played("args"),
        object(
            "env[]",
            &[
                played("name"),
                played("value"),
                object(
                    "valueFrom",
                    &[
                        object("configMapKeyRef", KEY_REF),
                        object("secretKeyRef", KEY_REF),
                        object("fieldRef", FIELD_REF),
                        object("resourceFieldRef", RESOURCE_REF),
                    ],
                ),
            ],
        ),
        object(
            "envFrom[]",
            &[
                object("configMapRef", SOURCE_REF),
                object("secretRef", SOURCE_REF),
                played("prefix"),
            ],
        ),
        object(
            "ports[]",
            &[
                played("name"),
                played("containerPort"),
                only("protocol", &["TCP", "UDP"]),
                refused(
                    "hostPort",
                    "publish the port with a Service, `type: NodePort`",
                ),
                refused(
                    "hostIP",
                    "publish the port with a Service, `type: NodePort`",
                ),
            ],
        ),
        object(
            "resources",
            &[
                object(
                    "limits",
                    &[
                        played("cpu"),
                        played("memory"),
                        without_effect("ephemeral-storage", "a disk is full by a fault alone"),
                    ],
                ),
                without_effect("requests", ROOM),
            ],
        ),
        object(
            "volumeMounts[]",
            &[
                played("name"),
                played("mountPath"),
                played("subPath"),
                without_effect("readOnly", "a write is not refused"),
                without_effect("mountPropagation", "nothing is mounted later"),
            ],
        ),
        shared("startupProbe", &PROBE),
        shared("readinessProbe", &PROBE),
        shared("livenessProbe", &PROBE),
        object(
            "lifecycle",
            &[shared("preStop", &HANDLER), shared("postStart", &HANDLER)],
        ),
        only("restartPolicy", &["Always"]),
        without_effect("workingDir", "programs here know their files by full paths"),
        without_effect("securityContext", USERS),
        without_effect("imagePullPolicy", "every image is there"),
        without_effect("stdin", "nobody types"),
        without_effect("tty", "nobody types"),
        without_effect("terminationMessagePath", "nobody reads the message"),
        without_effect("terminationMessagePolicy", "nobody reads the message"),
    ],
};

const PLAIN: &[&str] = &["HTTP"];

pub(super) const PROBE: Table = Table {
    name: "Probe",
    fields: &[
        object(
            "httpGet",
            &[
                played("path"),
                played("port"),
                object("httpHeaders[]", &[played("name"), played("value")]),
                only("scheme", PLAIN),
                refused("host", "leave it away: a probe asks the pod"),
            ],
        ),
        object(
            "tcpSocket",
            &[
                played("port"),
                refused("host", "leave it away: a probe asks the pod"),
            ],
        ),
        object("exec", &[played("command")]),
        object("grpc", &[played("port"), played("service")]),
        played("initialDelaySeconds"),
        played("periodSeconds"),
        played("timeoutSeconds"),
        played("successThreshold"),
        played("failureThreshold"),
        refused(
            "terminationGracePeriodSeconds",
            "leave it away: the pod's own counts",
        ),
    ],
};

pub(super) const HANDLER: Table = Table {
    name: "LifecycleHandler",
    fields: &[
        object("exec", &[played("command")]),
        object(
            "httpGet",
            &[
                played("path"),
                played("port"),
                only("scheme", PLAIN),
                refused("host", "leave it away: the pod itself is asked"),
                refused("httpHeaders", "use `exec` with curl"),
            ],
        ),
        object("sleep", &[played("seconds")]),
    ],
};

const ITEMS: Field = object(
    "items[]",
    &[played("key"), played("path"), without_effect("mode", USERS)],
);
const POD_ITEMS: Field = object(
    "items[]",
    &[
        played("path"),
        object("fieldRef", FIELD_REF),
        object("resourceFieldRef", RESOURCE_REF),
        without_effect("mode", USERS),
    ],
);
const MODE: Field = without_effect("defaultMode", USERS);

pub(super) const VOLUME: Table = Table {
    name: "Volume",
    fields: &[
        played("name"),
        object(
            "configMap",
            &[played("name"), played("optional"), ITEMS, MODE],
        ),
        object(
            "secret",
            &[played("secretName"), played("optional"), ITEMS, MODE],
        ),
        object("downwardAPI", &[POD_ITEMS, MODE]),
        object(
            "projected",
            &[
                object(
                    "sources[]",
                    &[
                        object("configMap", &[played("name"), played("optional"), ITEMS]),
                        object("secret", &[played("name"), played("optional"), ITEMS]),
                        object("downwardAPI", &[POD_ITEMS]),
                        refused(
                            "serviceAccountToken",
                            "leave it away: there is no API server",
                        ),
                    ],
                ),
                MODE,
            ],
        ),
        object(
            "emptyDir",
            &[
                without_effect("medium", "it is as fast as any disk here"),
                without_effect("sizeLimit", "a disk is full by a fault alone"),
            ],
        ),
        object(
            "persistentVolumeClaim",
            &[
                played("claimName"),
                without_effect("readOnly", "a write is not refused"),
            ],
        ),
        refused(
            "hostPath",
            "a node has no folders here: use a ConfigMap for files, an emptyDir or a claim for data",
        ),
        object(
            "nfs",
            &[
                played("server"),
                played("path"),
                without_effect("readOnly", "a write is not refused"),
            ],
        ),
        refused(
            "ephemeral",
            "use an emptyDir, or a StatefulSet's volumeClaimTemplates",
        ),
        refused("csi", "use a claim for data, a Secret for secrets"),
    ],
};
