//! Volumes of a pod: files that the manifests hold, and folders that containers write to, of the pod's own
//! or shared with others (`nfs`, and claims with `ReadWriteMany`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use squall_host::launch::Mounted;

use super::Around;
use super::env;
use super::sources::Kind;
use super::template::Seen;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{EnvValue, FileValue, Mount};
use crate::machine::Shared;

/// Files by their path in a volume, or in a container.
type Files = BTreeMap<String, FileValue>;

/// The volumes of a pod by their names.
#[derive(Debug)]
pub(super) struct Volumes<'a> {
    volumes: BTreeMap<&'a str, Volume>,
    /// Claims by their volumes.
    pub(super) claims: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Volume {
    Files(Files),
    Disk,
    Shared(Shared),
    /// There has been a complaint about it.
    Bad,
}

impl<'a> Volumes<'a> {
    /// `templates` are the names of a StatefulSet's own claims.
    pub(super) fn new(
        spec: &'a api::PodSpec,
        templates: &'a [String],
        place: &Place<'_>,
        seen: &Seen<'_>,
        around: &Around<'_>,
        notes: &mut Notes,
    ) -> Self {
        let mut volumes = BTreeMap::new();
        let mut claims = BTreeMap::new();
        for (index, volume) in spec.volumes.iter().flatten().enumerate() {
            let place = place.item_of("volumes", index);
            if let Some(claim) = &volume.persistent_volume_claim {
                let name = claim.claim_name.as_str();
                let many = around.claims.get(&(seen.namespace, name));
                if many.is_none() {
                    let message = format!(
                        "there is no PersistentVolumeClaim `{name}` in the namespace {}",
                        seen.namespace
                    );
                    let place = place.at("persistentVolumeClaim.claimName");
                    notes.problems.push(place.problem(message));
                }
                // One that several pods may have is with none of them.
                if many != Some(&true) {
                    claims.insert(volume.name.clone(), name.to_owned());
                }
            }
            let read = read(volume, &place, seen, around, notes);
            if volumes.insert(volume.name.as_str(), read).is_some() {
                let message = format!("the volume `{}` is there twice", volume.name);
                notes.problems.push(place.key("name").problem(message));
            }
        }
        // A claim's template takes the place of a volume of the same name (StatefulSetSpec).
        for name in templates {
            volumes.insert(name.as_str(), Volume::Disk);
        }
        Self { volumes, claims }
    }

    /// What a container finds in its folders.
    pub(super) fn mounts(
        &self,
        container: &api::Container,
        place: &Place<'_>,
        seen: &Seen<'_>,
        notes: &mut Notes,
    ) -> (Files, Vec<Mount>) {
        let mut files = Files::new();
        let mut mounts: Vec<Mount> = Vec::new();
        for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let place = place.item_of("volumeMounts", index);
            let target = mount.mount_path.trim_end_matches('/');
            if !mount.mount_path.starts_with('/') || mount.mount_path.contains("/../") {
                let message = format!("`{}` is no absolute path", mount.mount_path);
                notes.problems.push(place.key("mountPath").problem(message));
                continue;
            }
            let sub = mount.sub_path.as_deref().unwrap_or("").trim_matches('/');
            match self.volumes.get(mount.name.as_str()) {
                None => {
                    let message = format!("the pod has no volume `{}`", mount.name);
                    notes.problems.push(place.key("name").problem(message));
                }
                Some(Volume::Bad) => {}
                Some(Volume::Files(all)) => {
                    let found = under(all, sub, target);
                    if found.is_empty() && !sub.is_empty() && !all.is_empty() {
                        let message = format!("the volume `{}` has no file `{sub}`", mount.name);
                        let names: Vec<&str> = all.keys().map(String::as_str).collect();
                        let help = format!("its files are {}", names.join(", "));
                        notes
                            .problems
                            .push(place.key("subPath").problem(message).help(help));
                    }
                    files.extend(found);
                }
                Some(Volume::Disk) => {
                    if !sub.is_empty() && seen.shares(&mount.name, sub) {
                        let message = format!(
                            "the volume `{}` is mounted by other parts of it, too",
                            mount.name
                        );
                        let help = "give each its own volume: a volume is mounted whole here";
                        notes
                            .problems
                            .push(place.key("subPath").problem(message).help(help));
                    }
                    mounts.push(Mount {
                        volume: mount.name.clone(),
                        folder: target.to_owned(),
                        shared: None,
                    });
                }
                Some(Volume::Shared(shared)) => mounts.push(Mount {
                    volume: mount.name.clone(),
                    folder: target.to_owned(),
                    shared: Some(Shared {
                        volume: shared.volume.clone(),
                        inside: format!("{}/{sub}", shared.inside.trim_end_matches('/')),
                    }),
                }),
            }
        }
        (files, mounts)
    }
}

/// The part of a volume's files that a mount shows, by their paths in the container.
fn under(all: &Files, sub: &str, target: &str) -> Files {
    let path_of = |file: &str| {
        if sub.is_empty() {
            return Some(format!("{target}/{file}"));
        }
        match file.strip_prefix(sub)? {
            "" => Some(target.to_owned()),
            rest => Some(format!("{target}{rest}")).filter(|_| rest.starts_with('/')),
        }
    };
    all.iter()
        .filter_map(|(file, value)| Some((path_of(file)?, value.clone())))
        .collect()
}

fn read(
    volume: &api::Volume,
    place: &Place<'_>,
    seen: &Seen<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Volume {
    let mut reader = Reader {
        files: Files::new(),
        volume: &volume.name,
        seen,
        around,
        notes,
    };
    if let Some(map) = &volume.config_map {
        let items = map.items.as_deref();
        let place = place.key("configMap");
        reader.source(Kind::ConfigMap, &map.name, items, map.optional, &place);
    } else if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or("");
        let items = secret.items.as_deref();
        let place = place.key("secret");
        reader.source(Kind::Secret, name, items, secret.optional, &place);
    } else if let Some(fields) = &volume.downward_api {
        reader.fields(fields.items.as_deref(), &place.key("downwardAPI"));
    } else if let Some(projected) = &volume.projected {
        for (index, source) in projected.sources.iter().flatten().enumerate() {
            let place = place.key("projected").item_of("sources", index);
            if let Some(map) = &source.config_map {
                let items = map.items.as_deref();
                let place = place.key("configMap");
                reader.source(Kind::ConfigMap, &map.name, items, map.optional, &place);
            } else if let Some(secret) = &source.secret {
                let items = secret.items.as_deref();
                let place = place.key("secret");
                reader.source(Kind::Secret, &secret.name, items, secret.optional, &place);
            } else if let Some(fields) = &source.downward_api {
                reader.fields(fields.items.as_deref(), &place.key("downwardAPI"));
            }
        }
    } else if let Some(claim) = &volume.persistent_volume_claim {
        let (namespace, name) = (seen.namespace, claim.claim_name.as_str());
        return match around.claims.get(&(namespace, name)) {
            Some(true) => Volume::Shared(Shared {
                volume: format!("claim {namespace}/{name}"),
                inside: "/".to_owned(),
            }),
            _ => Volume::Disk,
        };
    } else if let Some(nfs) = &volume.nfs {
        return Volume::Shared(Shared {
            volume: format!("nfs {}", nfs.server),
            inside: nfs.path.clone(),
        });
    } else if volume.empty_dir.is_some() {
        return Volume::Disk;
    } else {
        let message = "a volume is one of configMap, secret, downwardAPI, projected, emptyDir, nfs and persistentVolumeClaim";
        notes.problems.push(place.problem(message));
        return Volume::Bad;
    }
    Volume::Files(reader.files)
}

struct Reader<'a, 'n> {
    files: Files,
    volume: &'a str,
    seen: &'a Seen<'a>,
    around: &'a Around<'a>,
    notes: &'n mut Notes,
}

impl Reader<'_, '_> {
    fn source(
        &mut self,
        kind: Kind,
        name: &str,
        items: Option<&[api::KeyToPath]>,
        optional: Option<bool>,
        place: &Place<'_>,
    ) {
        let optional = optional.unwrap_or(false);
        let found =
            self.around
                .sources
                .find(kind, self.seen.namespace, name, optional, place, self.notes);
        let Some(source) = found else {
            return;
        };
        let Some(items) = items.filter(|items| !items.is_empty()) else {
            for key in source.entries.keys() {
                let file = source.mounted(key).map(FileValue::Text);
                self.files.extend(file.map(|file| (key.clone(), file)));
            }
            return;
        };
        for (index, item) in items.iter().enumerate() {
            let place = place.item_of("items", index);
            match source.mounted(&item.key) {
                Some(file) => {
                    self.put(&item.path, FileValue::Text(file), &place);
                }
                None if optional => {}
                None => {
                    let keys: Vec<&str> = source.entries.keys().map(String::as_str).collect();
                    let message = format!("{} `{name}` has no key `{}`", kind.name(), item.key);
                    let help = format!("its keys are {}", keys.join(", "));
                    self.notes
                        .problems
                        .push(place.key("key").problem(message).help(help));
                }
            }
        }
    }

    fn fields(&mut self, items: Option<&[api::DownwardAPIVolumeFile]>, place: &Place<'_>) {
        for (index, item) in items.into_iter().flatten().enumerate() {
            let place = place.item_of("items", index);
            let value = match (&item.field_ref, &item.resource_field_ref) {
                (Some(field), None) => {
                    let place = place.key("fieldRef");
                    env::field(field, &place, self.seen, true, self.notes)
                }
                (None, Some(resource)) => {
                    let place = place.key("resourceFieldRef");
                    let divisor = resource.divisor.as_ref().map(|divisor| divisor.0.as_str());
                    let limits = self.seen.limits(resource.container_name.as_deref());
                    env::limit(&resource.resource, divisor, limits, &place, self.notes)
                        .map(EnvValue::Literal)
                }
                _ => {
                    let message = "one of fieldRef and resourceFieldRef is wanted";
                    self.notes.problems.push(place.problem(message));
                    None
                }
            };
            let file = match value {
                None => continue,
                Some(EnvValue::Field(field)) => FileValue::Field(field),
                Some(EnvValue::Text(text) | EnvValue::Literal(text)) => FileValue::Text(Mounted {
                    shown_as: format!("{} (volume {}, {})", place.file(), self.volume, item.path)
                        .into(),
                    content: text.into(),
                }),
            };
            self.put(&item.path, file, &place);
        }
    }

    fn put(&mut self, path: &str, file: FileValue, place: &Place<'_>) {
        if path.starts_with('/') || path.split('/').any(|part| part == "..") || path.is_empty() {
            let message = format!("`{path}` is no path in the volume");
            self.notes.problems.push(place.key("path").problem(message));
            return;
        }
        self.files.insert(path.to_owned(), file);
    }
}
