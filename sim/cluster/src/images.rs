//! Which program plays a service: the scenario's word first, then the table of well-known images.
//!
//! Only official images are in the table. Others have other defaults (paths, users, variables),
//! and are played when the scenario names them.

use std::collections::BTreeMap;

/// A well-known image and how its program is started.
#[derive(Debug)]
pub(crate) struct Known {
    /// Official names, without tag; with a registry if it is not Docker's.
    names: &'static [&'static str],
    /// The program that plays it.
    pub(crate) program: &'static str,
    /// The executables that it stands for, by their last path segment.
    executables: &'static [&'static str],
    /// The arguments that the image itself gives.
    pub(crate) default_args: &'static [&'static str],
    /// Whether its entry point puts the program before a first option.
    pub(crate) takes_options: bool,
}

const KNOWN: &[Known] = &[
    Known {
        names: &["nginx", "nginxinc/nginx-unprivileged"],
        program: "edge",
        executables: &["nginx"],
        // `-g 'daemon off;'`, which a program here needs not be told.
        default_args: &[],
        takes_options: false,
    },
    Known {
        names: &[
            "haproxy",
            "haproxytech/haproxy-alpine",
            "haproxytech/haproxy-debian",
        ],
        program: "pg-proxy",
        executables: &["haproxy"],
        default_args: &["-f", "/usr/local/etc/haproxy/haproxy.cfg"],
        takes_options: true,
    },
    Known {
        names: &["postgres"],
        program: "pg-stub",
        executables: &["postgres"],
        default_args: &[],
        takes_options: true,
    },
    // No entry point, CMD `/usr/local/bin/etcd` (etcd's Dockerfile-release).
    Known {
        names: &[
            "etcd",
            "quay.io/coreos/etcd",
            "gcr.io/etcd-development/etcd",
            "registry.k8s.io/etcd",
        ],
        program: "etcd-stub",
        executables: &["etcd"],
        default_args: &[],
        takes_options: false,
    },
    Known {
        names: &["busybox", "alpine", "curlimages/curl"],
        program: COMMANDS,
        executables: &[],
        default_args: &[],
        takes_options: false,
    },
];

/// The program whose arguments are a whole command line: images without a service of their own.
pub(crate) const COMMANDS: &str = "shell";

/// Start a command and are not it.
const WRAPPERS: &[&str] = &[
    "docker-entrypoint.sh",
    "docker-entrypoint",
    "entrypoint.sh",
    "tini",
    "dumb-init",
    "exec",
    "--",
];

/// The binary that holds all of our programs; its first argument names one.
const NODE: &str = "squall-node";

/// An image's name without registry, `library/`, tag and digest.
pub(crate) fn plain(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rsplit_once(':') {
        // A colon before the last slash is a registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    };
    for official in ["library/", "docker.io/"] {
        if let Some((_, name)) = image.rsplit_once(official)
            && !name.is_empty()
        {
            return name;
        }
    }
    image
}

/// The well-known image of this name.
pub(crate) fn known(image: &str) -> Option<&'static Known> {
    let plain = plain(image);
    KNOWN.iter().find(|known| known.names.contains(&plain))
}

/// The well-known image that has this executable.
pub(crate) fn known_executable(argv: &[String]) -> Option<&'static Known> {
    let name = file_name(argv.first()?);
    KNOWN.iter().find(|known| known.executables.contains(&name))
}

/// What to do about an image that is like a well-known one and has a way of its own.
pub(crate) fn advice(image: &str) -> Option<&'static str> {
    matches!(plain(image), "bitnami/etcd" | "bitnamilegacy/etcd").then_some(
        "its script around etcd (/bitnami/etcd/data, ALLOW_NONE_AUTHENTICATION, ETCD_ROOT_PASSWORD) is not played: \
         take quay.io/coreos/etcd, or, if its ETCD_* are all that it is told, `programs: {bitnami/etcd: etcd-stub}` in the scenario file",
    )
}

/// The well-known image that `program` plays.
pub(crate) fn known_program(program: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.program == program)
}

/// What a scenario's `programs:` says about an image: an exact name, with or without tag, before a
/// pattern that ends in `*`, the longest pattern first.
pub(crate) fn named<'p>(programs: &'p BTreeMap<String, String>, image: &str) -> Option<&'p str> {
    let plain = plain(image);
    if let Some(program) = programs.get(image).or_else(|| programs.get(plain)) {
        return Some(program);
    }
    programs
        .iter()
        .filter_map(|(pattern, program)| Some((pattern.strip_suffix('*')?, program)))
        .filter(|(prefix, _)| image.starts_with(prefix) || plain.starts_with(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, program)| program.as_str())
}

/// The command inside wrappers and a simple `sh -c`.
pub(crate) fn unwrapped(argv: &[String]) -> Vec<String> {
    let mut argv = argv.to_vec();
    loop {
        match argv.first().map(|word| file_name(word).to_owned()) {
            Some(word) if WRAPPERS.contains(&word.as_str()) => {
                argv.remove(0);
            }
            Some(word) if matches!(word.as_str(), "sh" | "bash" | "ash") => {
                let [_, flag, line] = &argv[..] else {
                    return argv;
                };
                let simple = !line.contains(['|', '&', ';', '<', '>', '`', '$', '\n']);
                match crate::compose::values::words(line) {
                    Ok(words) if flag == "-c" && simple => argv = words,
                    _ => return argv,
                }
            }
            _ => return argv,
        }
    }
}

/// The arguments for `program`, when this command line is one that it stands for.
pub(crate) fn arguments(program: &str, argv: &[String]) -> Option<Vec<String>> {
    let (first, rest) = argv.split_first()?;
    let name = file_name(first);
    if name == NODE {
        return match rest.split_first() {
            Some((word, rest)) if word == program => Some(rest.to_vec()),
            _ => None,
        };
    }
    if program == COMMANDS {
        return Some(argv.to_vec());
    }
    let played = known_program(program).is_some_and(|known| {
        known.executables.contains(&name) || (first.starts_with('-') && known.takes_options)
    });
    if first.starts_with('-') && played {
        return Some(argv.to_vec());
    }
    (played || name == program).then(|| rest.to_vec())
}

/// The program that `squall-node PROGRAM` on this command line starts.
pub(crate) fn node_program(argv: &[String]) -> Option<&str> {
    match argv {
        [first, program, ..] if file_name(first) == NODE => Some(program),
        _ => None,
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        crate::compose::values::words(text).unwrap()
    }

    #[test]
    fn official_images_have_a_program() {
        for (image, program) in [
            ("nginx", Some("edge")),
            ("nginx:1.27-alpine", Some("edge")),
            ("docker.io/library/nginx:1", Some("edge")),
            ("docker.io/nginx", Some("edge")),
            ("public.ecr.aws/docker/library/nginx:1", Some("edge")),
            ("nginx@sha256:0123", Some("edge")),
            ("localhost:5000/library/haproxy:2.9", Some("pg-proxy")),
            ("postgres:15", Some("pg-stub")),
            ("bitnami/nginx", None),
            ("bitnami/postgresql:15", None),
            ("localhost:5000/nginx", None),
            ("my-nginx", None),
            ("quay.io/coreos/etcd:v3.4.23", Some("etcd-stub")),
            ("gcr.io/etcd-development/etcd:v3.5.9", Some("etcd-stub")),
            ("etcd", Some("etcd-stub")),
            ("bitnami/etcd:3.5", None),
            ("busybox:1.28", Some("shell")),
            ("curlimages/curl", Some("shell")),
        ] {
            assert_eq!(known(image).map(|k| k.program), program, "{image}");
        }
    }

    #[test]
    fn a_scenario_names_further_images() {
        let programs = [
            ("bitnami/*", "a"),
            ("bitnami/postgres*", "b"),
            ("mine:1", "c"),
            ("mine", "d"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        for (image, program) in [
            ("bitnami/nginx:1", Some("a")),
            ("bitnami/postgresql", Some("b")),
            ("mine:1", Some("c")),
            ("mine:2", Some("d")),
            ("other", None),
        ] {
            assert_eq!(named(&programs, image), program, "{image}");
        }
    }

    #[test]
    fn arguments_are_what_follows_the_program() {
        for (program, argv, expected) in [
            ("edge", "nginx -g 'daemon off;'", Some("-g 'daemon off;'")),
            (
                "edge",
                "/docker-entrypoint.sh /usr/sbin/nginx -c /x",
                Some("-c /x"),
            ),
            (
                "pg-stub",
                "docker-entrypoint.sh -c max_connections=5",
                Some("-c max_connections=5"),
            ),
            ("pg-stub", "postgres -c a=b", Some("-c a=b")),
            ("etcd-stub", "etcd --name a", Some("--name a")),
            (
                "etcd-stub",
                "/usr/local/bin/etcd --name a",
                Some("--name a"),
            ),
            // The image has no entry point that would put `etcd` before it.
            ("etcd-stub", "--name a", None),
            (
                "users-api",
                "squall-node users-api --port 1",
                Some("--port 1"),
            ),
            ("users-api", "/app/users-api", Some("")),
            ("users-api", "squall-node edge", None),
            ("shell", "sleep 3600", Some("sleep 3600")),
            (
                "shell",
                "sh -c 'until nslookup db; do sleep 1; done'",
                Some("sh -c 'until nslookup db; do sleep 1; done'"),
            ),
            ("shell", "squall-node shell sleep 1", Some("sleep 1")),
            ("users-api", "python app.py", None),
            ("edge", "sh -c 'exec nginx -c /x'", Some("-c /x")),
            ("edge", "sh -c 'envsubst < a > b && nginx'", None),
        ] {
            let argv = unwrapped(&words(argv));
            assert_eq!(arguments(program, &argv), expected.map(words), "{argv:?}");
        }
    }
}
