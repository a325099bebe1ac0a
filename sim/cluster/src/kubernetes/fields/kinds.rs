//! Kinds of objects, with their fields.

use super::pod::{META, POD, TEMPLATE};
use super::{Field, object, only, played, refused, shared, without_effect};

/// A kind that is accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// `kind`
    pub(crate) name: &'static str,
    /// `apiVersion`
    pub(crate) api: &'static str,
    /// Whether it lives in a namespace.
    pub(crate) namespaced: bool,
    /// A sentence for the book.
    pub(super) about: &'static str,
    /// Its fields, `apiVersion` and `kind` aside.
    pub(crate) fields: &'static [Field],
}

const INGRESS_BACKEND: &[Field] = &[object(
    "service",
    &[
        played("name"),
        object("port", &[played("name"), played("number")]),
    ],
)];

const STATUS: Field = without_effect("status", "a cluster writes it");
const HISTORY: Field = without_effect(
    "revisionHistoryLimit",
    "old ReplicaSets and revisions cost nothing",
);
const SELECTOR: Field = object("selector", &[played("matchLabels")]);
const ROLES: &str =
    "There is no API server whose doors it could open or close: accepted, and without effect.";
const MET: &str = "every claim is met, whatever its size";
const DOORS: &str = "there is no API server";

/// Every kind that is accepted.
pub(crate) const KINDS: &[Shape] = &[
    Shape {
        name: "Namespace",
        api: "v1",
        namespaced: false,
        about: "Names are looked up in it, as in a cluster.",
        fields: &[
            shared("metadata", &META),
            without_effect("spec", "nothing waits for a deletion here"),
            STATUS,
        ],
    },
    Shape {
        name: "Deployment",
        api: "apps/v1",
        namespaced: true,
        about: "Pods that are replaced, by ReplicaSets that come and go.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    played("replicas"),
                    SELECTOR,
                    shared("template", &TEMPLATE),
                    object(
                        "strategy",
                        &[
                            played("type"),
                            object(
                                "rollingUpdate",
                                &[played("maxSurge"), played("maxUnavailable")],
                            ),
                        ],
                    ),
                    played("minReadySeconds"),
                    played("progressDeadlineSeconds"),
                    HISTORY,
                    only("paused", &["false"]),
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "StatefulSet",
        api: "apps/v1",
        namespaced: true,
        about: "Pods with lasting names and volumes.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    played("replicas"),
                    SELECTOR,
                    shared("template", &TEMPLATE),
                    played("serviceName"),
                    played("podManagementPolicy"),
                    object(
                        "updateStrategy",
                        &[
                            played("type"),
                            object("rollingUpdate", &[played("partition")]),
                        ],
                    ),
                    object(
                        "volumeClaimTemplates[]",
                        &[
                            without_effect("apiVersion", "it is a claim"),
                            without_effect("kind", "it is a claim"),
                            object(
                                "metadata",
                                &[
                                    played("name"),
                                    without_effect("labels", "nobody selects claims"),
                                    without_effect("annotations", "nobody selects claims"),
                                    without_effect("creationTimestamp", "a cluster writes it"),
                                ],
                            ),
                            without_effect("spec", "every claim is met, whatever its size"),
                            STATUS,
                        ],
                    ),
                    object(
                        "persistentVolumeClaimRetentionPolicy",
                        &[
                            without_effect("whenDeleted", "nothing deletes a StatefulSet here"),
                            only("whenScaled", &["Retain"]),
                        ],
                    ),
                    played("minReadySeconds"),
                    HISTORY,
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "Pod",
        api: "v1",
        namespaced: true,
        about: "A pod that nobody replaces.",
        fields: &[shared("metadata", &META), shared("spec", &POD), STATUS],
    },
    Shape {
        name: "Job",
        api: "batch/v1",
        namespaced: true,
        about: "Pods that come to an end.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    shared("template", &TEMPLATE),
                    played("completions"),
                    played("parallelism"),
                    played("backoffLimit"),
                    played("activeDeadlineSeconds"),
                    only("completionMode", &["NonIndexed"]),
                    only("suspend", &["false"]),
                    only("manualSelector", &["false"]),
                    without_effect("ttlSecondsAfterFinished", "what has ended stays"),
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "Service",
        api: "v1",
        namespaced: true,
        about: "`ClusterIP`, headless (`clusterIP: None`), `NodePort` and `ExternalName`; a `LoadBalancer` is played as a `NodePort`.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    played("type"),
                    played("clusterIP"),
                    without_effect("clusterIPs", "`clusterIP` counts"),
                    played("selector"),
                    object(
                        "ports[]",
                        &[
                            played("name"),
                            played("port"),
                            played("targetPort"),
                            played("nodePort"),
                            only("protocol", &["TCP", "UDP"]),
                            without_effect("appProtocol", "nobody asks for it"),
                        ],
                    ),
                    played("publishNotReadyAddresses"),
                    played("externalName"),
                    only("sessionAffinity", &["None"]),
                    only("internalTrafficPolicy", &["Cluster"]),
                    only("externalTrafficPolicy", &["Cluster"]),
                    only("ipFamilies", &["IPv4"]),
                    only("ipFamilyPolicy", &["SingleStack"]),
                    without_effect("loadBalancerClass", "there is no cloud"),
                    without_effect("loadBalancerIP", "there is no cloud"),
                    without_effect("loadBalancerSourceRanges", "there is no cloud"),
                    without_effect("allocateLoadBalancerNodePorts", "there is no cloud"),
                    refused("externalIPs", "publish the port with `type: NodePort`"),
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "ConfigMap",
        api: "v1",
        namespaced: true,
        about: "As environment and as files.",
        fields: &[
            shared("metadata", &META),
            played("data"),
            without_effect("immutable", "nothing changes it here"),
            refused("binaryData", "only text is read here: use `data`"),
        ],
    },
    Shape {
        name: "Secret",
        api: "v1",
        namespaced: true,
        about: "As environment and as files; base64 under `data`, text under `stringData`, which wins.",
        fields: &[
            shared("metadata", &META),
            played("data"),
            played("stringData"),
            without_effect("type", "all secrets are alike"),
            without_effect("immutable", "nothing changes it here"),
        ],
    },
    Shape {
        name: "PersistentVolumeClaim",
        api: "v1",
        namespaced: true,
        about: "A volume that outlasts its pods. With `ReadWriteMany` among its modes any number of pods has it at a time.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    played("accessModes"),
                    without_effect("resources", MET),
                    without_effect("storageClassName", MET),
                    without_effect("volumeMode", MET),
                    without_effect("volumeName", MET),
                    without_effect("selector", MET),
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "Ingress",
        api: "networking.k8s.io/v1",
        namespaced: true,
        about: "Rules for one controller of all Ingresses: an nginx, the Service \
                `ingress-nginx-controller` in the namespace `ingress-nginx`. `forward` a port to it.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[
                    without_effect("ingressClassName", "there is one controller"),
                    object("defaultBackend", INGRESS_BACKEND),
                    object(
                        "rules[]",
                        &[
                            played("host"),
                            object(
                                "http",
                                &[object(
                                    "paths[]",
                                    &[
                                        played("path"),
                                        played("pathType"),
                                        object("backend", INGRESS_BACKEND),
                                    ],
                                )],
                            ),
                        ],
                    ),
                ],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "PodDisruptionBudget",
        api: "policy/v1",
        namespaced: true,
        about: "What an eviction must leave.",
        fields: &[
            shared("metadata", &META),
            object(
                "spec",
                &[played("minAvailable"), played("maxUnavailable"), SELECTOR],
            ),
            STATUS,
        ],
    },
    Shape {
        name: "ServiceAccount",
        api: "v1",
        namespaced: true,
        about: ROLES,
        fields: &[
            shared("metadata", &META),
            without_effect("automountServiceAccountToken", DOORS),
            without_effect("imagePullSecrets", "every image is there"),
            without_effect("secrets", DOORS),
        ],
    },
    Shape {
        name: "Role",
        api: "rbac.authorization.k8s.io/v1",
        namespaced: true,
        about: ROLES,
        fields: &[shared("metadata", &META), without_effect("rules", DOORS)],
    },
    Shape {
        name: "RoleBinding",
        api: "rbac.authorization.k8s.io/v1",
        namespaced: true,
        about: ROLES,
        fields: &[
            shared("metadata", &META),
            without_effect("roleRef", DOORS),
            without_effect("subjects", DOORS),
        ],
    },
];

/// Kinds that are known and refused, and what to do instead.
pub(crate) const REFUSED: &[(&str, &str)] = &[
    (
        "IngressClass",
        "leave it away: there is one controller for every Ingress",
    ),
    (
        "ReplicaSet",
        "write a Deployment with the same template: it makes the ReplicaSet",
    ),
    (
        "ReplicationController",
        "write a Deployment with the same template",
    ),
    (
        "DaemonSet",
        "write a Deployment with as many replicas as there are nodes",
    ),
    ("CronJob", "write a Job: it is played once"),
    (
        "Endpoints",
        "give the Service a selector; for one outside, `type: ExternalName`",
    ),
    (
        "EndpointSlice",
        "give the Service a selector; for one outside, `type: ExternalName`",
    ),
    ("HorizontalPodAutoscaler", "scale by a step of the scenario"),
    ("NetworkPolicy", "cut links by a fault of the scenario"),
    ("PersistentVolume", "leave it away: every claim is met"),
    ("StorageClass", "leave it away: every claim is met"),
    ("ClusterRole", "leave it away: there is no API server"),
    (
        "ClusterRoleBinding",
        "leave it away: there is no API server",
    ),
    (
        "CustomResourceDefinition",
        "write down what its operator would make of it: Deployments, StatefulSets, Services",
    ),
    (
        "ResourceQuota",
        "leave it away: there is room for every pod",
    ),
    ("LimitRange", "write the limits into the containers"),
    (
        "PriorityClass",
        "leave it away: there is room for every pod",
    ),
];
