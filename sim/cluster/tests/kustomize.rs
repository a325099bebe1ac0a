//! Folders of manifests, with a kustomization and without.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::path::PathBuf;

use squall_cluster::kubernetes::read;

/// A folder of its own for a test, with these files, that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("squall-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(root)
    }

    fn path(&self, inner: &str) -> Vec<String> {
        vec![self.0.join(inner).to_str().unwrap().to_owned()]
    }

    /// Complaints, the folder's own path taken away.
    fn complaints(&self, inner: &str) -> String {
        let complaints = read(&self.path(inner)).unwrap_err().to_string();
        complaints.replace(&format!("{}/", self.0.display()), "")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: q}\nspec:\n  containers:\n  - name: c\n    image: nginx\n    envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: login}}]\n    volumeMounts: [{name: v, mountPath: /etc/nginx}]\n  volumes: [{name: v, configMap: {name: settings}}]\n";

#[test]
fn a_kustomization_is_played() {
    let folder = Folder::new(
        "kustomize-good",
        &[
            (
                "top/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: shop\nresources: [../base, ns.yaml]\nsecretGenerator:\n- name: login\n  literals: [user=app, 'password=\"x=y\"']\n",
            ),
            (
                "top/ns.yaml",
                "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n",
            ),
            (
                "base/kustomization.yaml",
                "namespace: base\nresources: [pod.yaml]\nconfigMapGenerator:\n- name: settings\n  files: [conf/nginx.conf, again=conf/nginx.conf]\n  literals: [A=1]\ngeneratorOptions: {disableNameSuffixHash: true}\n",
            ),
            ("base/pod.yaml", POD),
            ("base/unlisted.yaml", "no: object\n"),
            ("base/conf/nginx.conf", "listen 80\n"),
        ],
    );
    let manifests = read(&folder.path("top")).unwrap();
    let plan = common::kubernetes::plan_manifests(&manifests, &[], &[]).unwrap();
    assert_eq!(plan.warnings, []);
    let pod = &plan.workloads[0];
    assert_eq!(pod.namespace, "shop");
    let container = &pod.template.containers[0];
    let (launch, _) = container.start(&common::kubernetes::identity("p")).unwrap();
    assert_eq!(launch.env["A"], "1");
    assert_eq!(launch.env["user"], "app");
    assert_eq!(launch.env["password"], "x=y");
    let file = launch.files.read("/etc/nginx/again").unwrap();
    assert_eq!(&*file.content, "listen 80\n");
    assert!(
        file.shown_as.ends_with("base/conf/nginx.conf"),
        "{}",
        file.shown_as
    );
}

#[test]
fn what_a_kustomization_cannot_have_is_named() {
    let folder = Folder::new(
        "kustomize-bad",
        &[
            (
                "kustomization.yaml",
                "resorces: []\nimages: []\nresources:\n- none.yaml\n- https://example.org/x.yaml\n- plain\n- 7\nconfigMapGenerator:\n- name: a\n  envs: [x]\n  files: [none]\n  literals: [x]\n- b\ngeneratorOptions: {labels: {a: b}}\n",
            ),
            ("plain/a.yaml", POD),
        ],
    );
    assert_eq!(
        folder.complaints(""),
        "kustomization.yaml:1: resorces: unknown field\n    help: did you mean `resources`?\n\
         kustomization.yaml:2: images: not played here\n    help: let `kustomize build` do it, and name the file that it prints\n\
         kustomization.yaml:4: resources: none.yaml: no such file\n\
         kustomization.yaml:5: resources: `https://example.org/x.yaml` is not on this machine\n    help: fetch it, and list the file\n\
         kustomization.yaml:6: resources: the folder plain has no kustomization\n    help: list its files, or give it a kustomization.yaml\n\
         kustomization.yaml:7: resources: 7: no such file\n\
         kustomization.yaml:14: generatorOptions.labels: not played here\n    help: only disableNameSuffixHash is\n\
         kustomization.yaml:10: configMapGenerator.envs: not played here\n    help: name, namespace, literals, files and options are\n\
         kustomization.yaml:11: configMapGenerator.files: none: no such file\n\
         kustomization.yaml:12: configMapGenerator.literals: KEY=VALUE belongs here\n\
         kustomization.yaml:13: configMapGenerator: a mapping belongs here"
    );
}

#[test]
fn kustomizations_that_list_each_other_end() {
    let folder = Folder::new(
        "kustomize-loop",
        &[
            ("a/kustomization.yaml", "resources: [../b]\n"),
            ("b/kustomization.yaml", "resources: [../a]\n"),
        ],
    );
    let complaints = folder.complaints("a");
    assert!(
        complaints.contains("list each other too deep"),
        "{complaints}"
    );
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let config =
        |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
    let folder = Folder::new(
        "folder",
        &[
            ("b.yml", &config("X")),
            ("a.yaml", &config("Y")),
            ("README.md", "text"),
            ("inner/c.yaml", &config("Z")),
        ],
    );
    let complaints = folder.complaints("");
    let files: Vec<&str> = complaints
        .lines()
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(files, ["a.yaml", "b.yml"]);
    let folder = Folder::new("empty", &[("README.md", "text")]);
    assert!(folder.complaints("").contains("no manifests here"));
    assert!(
        folder
            .complaints("none.yaml")
            .starts_with("none.yaml: no such file")
    );
}
