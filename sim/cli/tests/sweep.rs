//! `squall sweep` and `squall merge` as their users meet them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{NGINX, command, err, out, squall};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder for one test, fresh, with an nginx that answers by itself and scenarios that ask it:
/// `fast` passes with every seed; `lossy` asks over a bad link, and some seeds fail.
fn folder(name: &str) -> PathBuf {
    let folder = common::folder(&format!("sweep-{name}"));
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("nginx.conf", NGINX);
    write(
        "docker-compose.yml",
        "services:\n  web:\n    image: nginx:1.27\n    container_name: web\n    ports: ['8080:80']\n    volumes: ['./nginx.conf:/etc/nginx/nginx.conf:ro']\n",
    );
    let scenario = |name: &str, phase: &str| {
        format!(
            "scenario: {name}\nsystem: {{compose: docker-compose.yml}}\nclients:\n  - {{name: load, get: 'http://localhost:8080/', rate: 10/s, timeout: 5s}}\nphases:\n  - {{phase: all, {phase}}}\n"
        )
    };
    write(
        "fast.yaml",
        &scenario("fast", "for: 2s, expect: {success: 100%}"),
    );
    write(
        "lossy.yaml",
        &scenario(
            "lossy",
            "for: 2s, steps: [{loss: {percent: 1%, of: web}}], expect: {longest_stall: < 150ms}",
        ),
    );
    folder
}

/// A scenario that takes long enough to be ended by hand, even on a fast machine.
fn write_slow(folder: &Path) {
    let text = fs::read_to_string(folder.join("fast.yaml")).unwrap();
    let text = text
        .replace("scenario: fast", "scenario: slow")
        .replace("rate: 10/s", "rate: 1000/s")
        .replace("for: 2s", "for: 3000s");
    fs::write(folder.join("slow.yaml"), text).unwrap();
}

/// The runs and the summary in the output for programs, without what real time decides.
fn lines(text: &str) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut summary = lines.pop().unwrap()["summary"].take();
    assert!(summary.is_object(), "{text}");
    for value in lines.iter_mut().chain([&mut summary]) {
        assert!(value["wall_ms"].as_u64().is_some(), "{value}");
        value["wall_ms"] = 0.into();
    }
    (lines, summary)
}

fn sweep_json(folder: &Path, args: &[&str]) -> (Vec<Value>, Value) {
    let output = squall(folder, &[&["sweep", "--format", "json"], args].concat());
    assert!(
        matches!(output.status.code(), Some(0 | 1)),
        "{}",
        err(&output)
    );
    lines(&out(&output))
}

#[test]
fn a_seed_in_a_sweep_is_the_seed_of_a_run() {
    let folder = folder("run");
    let (runs, _) = sweep_json(
        &folder,
        &["fast.yaml", "lossy.yaml", "--seeds", "3..6", "--jobs", "2"],
    );
    let order: Vec<_> = runs
        .iter()
        .map(|run| {
            (
                run["seed"].as_u64().unwrap(),
                run["scenario"].as_str().unwrap(),
            )
        })
        .collect();
    let wanted = [
        (3, "fast"),
        (3, "lossy"),
        (4, "fast"),
        (4, "lossy"),
        (5, "fast"),
        (5, "lossy"),
    ];
    assert_eq!(order, wanted);
    for run in &runs {
        let seed = run["seed"].to_string();
        let file = run["file"].as_str().unwrap();
        let alone = squall(&folder, &["run", file, "--seed", &seed, "--format", "json"]);
        let alone: Value = serde_json::from_slice(&alone.stdout).unwrap();
        for key in [
            "scenario",
            "seed",
            "verdict",
            "virtual_ms",
            "events",
            "trace_hash",
        ] {
            assert_eq!(run[key], alone[key], "{file} {seed} {key}");
        }
    }
}

#[test]
fn the_result_does_not_depend_on_the_number_of_jobs() {
    let folder = folder("jobs");
    let args = ["lossy.yaml", "fast.yaml", "--seeds", "0..12", "--jobs"];
    let one = sweep_json(&folder, &[&args[..], &["1"]].concat());
    assert_eq!(sweep_json(&folder, &[&args[..], &["7"]].concat()), one);
    let until = [&args[..], &["1", "--until-failure"]].concat();
    let (runs, summary) = sweep_json(&folder, &until);
    let last = runs.last().unwrap();
    assert_eq!(
        (&last["verdict"], &summary["ended"]),
        (&"failed".into(), &"failure".into())
    );
    assert!(
        runs[..runs.len() - 1]
            .iter()
            .all(|run| run["verdict"] == "passed"),
        "{runs:?}"
    );
    let many = [&args[..], &["7", "--until-failure"]].concat();
    assert_eq!(sweep_json(&folder, &many), (runs, summary));
}

#[test]
fn failures_are_told_with_the_command_that_replays_the_first() {
    let folder = folder("failures");
    let output = squall(&folder, &["sweep", ".", "--seeds", "0..12"]);
    let text = out(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", err(&output));
    let replay = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("replay: squall "))
        .unwrap();
    assert!(replay.starts_with("run ./lossy.yaml --seed "), "{replay}");
    let args: Vec<&str> = replay.split(' ').collect();
    assert_eq!(squall(&folder, &args).status.code(), Some(1));
    assert!(
        text.contains("failed lossy: expectation of longest stall in `all`"),
        "{text}"
    );
    assert!(text.contains("\n    expected < 150ms, was "), "{text}");
    assert!(
        text.contains("seeds a minute") && !text.contains('\u{1b}'),
        "{text}"
    );
    let (_, summary) = sweep_json(&folder, &[".", "--seeds", "0..12"]);
    assert_eq!(summary["failures"][0]["replay"], format!("squall {replay}"));
    assert_eq!(summary["failures"].as_array().unwrap().len(), 1);
    assert_eq!(summary["runs"], 24);
    assert_eq!(summary["scenarios"]["./fast.yaml"]["passed"], 12);
}

#[test]
fn shards_are_pieces_of_the_whole_and_merge_to_it() {
    let folder = folder("shards");
    let whole = [
        "sweep",
        "fast.yaml",
        "lossy.yaml",
        "--seeds",
        "0..5",
        "--output",
    ];
    assert_eq!(
        squall(&folder, &[&whole[..], &["whole.jsonl"]].concat())
            .status
            .code(),
        Some(1)
    );
    let files = ["0.jsonl", "1.jsonl", "2.jsonl"];
    for (index, file) in files.iter().enumerate() {
        let output = command(
            &folder,
            &[&whole[..], &[file, "--shard", "auto/3"]].concat(),
        )
        .env("JOB_COMPLETION_INDEX", index.to_string())
        .output()
        .unwrap();
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{}",
            err(&output)
        );
    }
    let read = |file: &str| lines(&fs::read_to_string(folder.join(file)).unwrap());
    let (runs, summary) = read("whole.jsonl");
    let pieces: Vec<Value> = files.iter().flat_map(|file| read(file).0).collect();
    assert_eq!(pieces, runs);

    let merged = |files: &[&str]| {
        let output = squall(&folder, &[&["merge", "--format", "json"], files].concat());
        (output.status.code(), lines(&out(&output)).1, err(&output))
    };
    // In any order, and twice.
    assert_eq!(merged(&files), (Some(1), summary.clone(), String::new()));
    assert_eq!(
        merged(&["2.jsonl", "0.jsonl", "1.jsonl", "0.jsonl"]).1,
        summary
    );
    // As a container's log: with standard error in between, one file after the other.
    let cat: String = files
        .iter()
        .map(|file| {
            format!(
                "2 of 10 runs\n{}",
                fs::read_to_string(folder.join(file)).unwrap()
            )
        })
        .collect();
    fs::write(folder.join("cat.jsonl"), &cat).unwrap();
    assert_eq!(merged(&["cat.jsonl"]), (Some(1), summary, String::new()));
    let (_, lacking, warning) = merged(&["0.jsonl", "2.jsonl"]);
    assert_eq!(lacking["ended"], "interrupted");
    assert!(
        warning.contains("shard 1/3 did not end, or its output is not here"),
        "{warning}"
    );
}

#[test]
fn a_merge_without_all_parts_has_not_passed() {
    let folder = folder("parts");
    let part = |shard: &str, file: &str| {
        let args = [
            "sweep",
            "fast.yaml",
            "--seeds",
            "0..4",
            "--shard",
            shard,
            "--output",
            file,
        ];
        assert_eq!(squall(&folder, &args).status.code(), Some(0));
    };
    part("0/2", "0.jsonl");
    part("1/2", "1.jsonl");
    let merge = |files: &[&str]| squall(&folder, &[&["merge"], files].concat());
    assert_eq!(merge(&["0.jsonl", "1.jsonl"]).status.code(), Some(0));
    assert_eq!(merge(&["0.jsonl"]).status.code(), Some(2));
    // A sweep that was killed has written no summary.
    let text = fs::read_to_string(folder.join("1.jsonl")).unwrap();
    let (runs, _) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(folder.join("1.jsonl"), runs).unwrap();
    assert_eq!(merge(&["0.jsonl", "1.jsonl"]).status.code(), Some(2));
    // The same run with another trace.
    fs::write(
        folder.join("2.jsonl"),
        text.replace(r#""trace_hash":""#, r#""trace_hash":"f"#),
    )
    .unwrap();
    let output = merge(&["0.jsonl", "1.jsonl", "2.jsonl"]);
    assert_eq!(output.status.code(), Some(255));
    assert!(
        err(&output).contains("fast.yaml with seed 2 has two traces"),
        "{}",
        err(&output)
    );
    fs::write(folder.join("3.jsonl"), "{\"seed\":").unwrap();
    let output = merge(&["3.jsonl"]);
    assert_eq!(output.status.code(), Some(254));
    assert!(
        err(&output).contains("3.jsonl:1: no result of a sweep"),
        "{}",
        err(&output)
    );
}

#[test]
fn runs_beyond_their_limits_are_results() {
    let folder = folder("limits");
    write_slow(&folder);
    let output = squall(
        &folder,
        &[
            "sweep",
            "slow.yaml",
            "fast.yaml",
            "--seeds",
            "0..1",
            "--run-time",
            "10s",
            "--output",
            "o.jsonl",
        ],
    );
    let text = out(&output);
    assert_eq!(output.status.code(), Some(255), "{text}");
    assert!(
        text.contains("hung: slow seed 0: no result within 10s"),
        "{text}"
    );
    let (runs, summary) = lines(&fs::read_to_string(folder.join("o.jsonl")).unwrap());
    let verdicts: Vec<&str> = runs
        .iter()
        .map(|run| run["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["hung", "passed"]);
    assert_eq!(runs[0]["findings"][0]["kind"], "testbed");
    assert_eq!(summary["failures"][0]["runs"], 1);

    // Its record of three million requests does not fit.
    let output = squall(
        &folder,
        &["sweep", "slow.yaml", "--seeds", "7", "--run-memory", "64"],
    );
    let text = out(&output);
    assert_eq!(output.status.code(), Some(255), "{text}");
    assert!(
        text.contains("memory: slow seed 7: needs more than 64 MiB"),
        "{text}"
    );
    assert!(text.contains("it said: memory allocation of"), "{text}");
}

#[test]
fn time_ends_a_sweep_and_nothing_shown_is_unknown() {
    let folder = folder("time");
    let (runs, summary) = {
        let args = [
            "sweep",
            "fast.yaml",
            "--seeds",
            "0..=18446744073709551615",
            "--time",
            "1s",
            "--format",
            "json",
        ];
        let output = squall(&folder, &args);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        lines(&out(&output))
    };
    assert_eq!(
        (&summary["ended"], summary["runs"].as_u64()),
        (&"time".into(), Some(runs.len() as u64))
    );
    assert!(!runs.is_empty());
    let output = squall(
        &folder,
        &["sweep", "fast.yaml", "--seeds", "0..2", "--shard", "3/4"],
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "one run for the last of four"
    );
    let output = squall(
        &folder,
        &["sweep", "fast.yaml", "--seeds", "0..2", "--shard", "0/4"],
    );
    assert_eq!(output.status.code(), Some(2), "{}", out(&output));
    assert!(out(&output).contains("unknown: 0 runs"), "{}", out(&output));
}

#[test]
fn bad_input_starts_nothing() {
    let folder = folder("input");
    fs::write(
        folder.join("typo.yaml"),
        "scenario: x\nsystem: {compose: docker-compose.yml}\nphazes: []\n",
    )
    .unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    let cases: [(&[&str], &str); 12] = [
        (&["."], "typo.yaml:3: unknown key `phazes`"),
        (&["absent.yaml"], "absent.yaml: cannot read the scenario"),
        (&["empty"], "empty: no scenario in this folder or below"),
        (
            &["fast.yaml", "--seeds", "9..3"],
            "9..3 runs backwards; write 3..9",
        ),
        (
            &["fast.yaml", "--seeds", "3..3"],
            "write 3..=3 or 3 for one seed",
        ),
        (
            &["fast.yaml", "--seeds", "0..18446744073709551617"],
            "too big for a seed",
        ),
        (
            &["fast.yaml", "--seeds", "-1..3"],
            "`-1` is no seed; write whole numbers",
        ),
        (&["fast.yaml", "--shard", "4/4"], "counted from 0"),
        (
            &["fast.yaml", "--shard", "auto/4"],
            "JOB_COMPLETION_INDEX, which is not set",
        ),
        (
            &["fast.yaml", "--jobs", "0"],
            "invalid value '0' for '--jobs <N>'",
        ),
        (
            &["fast.yaml", "--time", "soon"],
            "invalid value 'soon' for '--time <LIMIT>'",
        ),
        (
            &["fast.yaml", "--output", "no/such/folder"],
            "no/such/folder: cannot write the results",
        ),
    ];
    for (args, wanted) in cases {
        let output = squall(&folder, &[&["sweep"], args].concat());
        assert_eq!(
            output.status.code(),
            Some(254),
            "{args:?}: {}",
            err(&output)
        );
        assert!(err(&output).contains(wanted), "{args:?}: {}", err(&output));
        assert_eq!(out(&output), "", "{args:?}");
    }
}

#[test]
fn results_that_cannot_be_kept_end_the_sweep() {
    let folder = folder("full");
    let output = squall(
        &folder,
        &[
            "sweep",
            "fast.yaml",
            "--seeds",
            "0..3",
            "--output",
            "/dev/full",
        ],
    );
    assert_eq!(output.status.code(), Some(255));
    assert!(
        err(&output).contains("No space left on device"),
        "{}",
        err(&output)
    );
}

/// A sweep whose runs go on and on, with two of them at work.
fn endless(folder: &Path) -> (Child, Vec<String>) {
    write_slow(folder);
    let args = [
        "sweep",
        "fast.yaml",
        "slow.yaml",
        "--seeds",
        "0..100",
        "--jobs",
        "3",
        "--run-time",
        "1h",
        "--output",
        "o.jsonl",
    ];
    let child = command(folder, &args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let children = format!("/proc/{pid}/task/{pid}/children");
    // The slow ones hold every job in the end; until then, fast ones come and go. Three results are
    // held back by the first slow run, so nothing but the first is written.
    wait_for("three slow runs", || {
        let found = fs::read_to_string(&children).unwrap();
        let found: Vec<String> = found.split_whitespace().map(str::to_owned).collect();
        let is_old = |pid: &String| ticks_of_work(pid).is_some_and(|ticks| ticks > 50);
        (found.len() == 3 && found.iter().all(is_old)).then_some(found)
    });
    let found = fs::read_to_string(&children).unwrap();
    (child, found.split_whitespace().map(str::to_owned).collect())
}

/// The processor time that a process has used, in hundredths of a second.
fn ticks_of_work(pid: &str) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the 12th field after it is `utime`.
    stat.rsplit_once(") ")?.1.split(' ').nth(11)?.parse().ok()
}

fn is_alive(pid: &str) -> bool {
    // A dead process is there until whoever adopted it looks.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn wait_for<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(since.elapsed() < Duration::from_secs(120), "no {what}");
        #[allow(clippy::disallowed_methods)] // real processes, in real time
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_sweep_that_is_interrupted_says_what_it_has_and_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let folder = folder("interrupted");
        let (mut sweep, runs) = endless(&folder);
        assert_eq!(runs.len(), 3);
        send(signal, sweep.id());
        let status = sweep.wait().unwrap();
        let mut text = String::new();
        sweep
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(status.code(), Some(2), "{text}");
        assert!(
            text.contains("unknown: ") && text.contains(" of 200: interrupted in "),
            "{text}"
        );
        assert!(
            runs.iter().all(|pid| !is_alive(pid)),
            "killed before the sweep ended"
        );
        let (done, summary) = lines(&fs::read_to_string(folder.join("o.jsonl")).unwrap());
        assert_eq!(summary["ended"], "interrupted");
        assert_eq!(summary["runs"].as_u64(), Some(done.len() as u64));
        assert!(done.len() > 1, "what was held back is told, too");
    }
}

#[test]
fn a_sweep_that_is_killed_leaves_nothing() {
    let (mut sweep, runs) = endless(&folder("killed"));
    assert_eq!(runs.len(), 3);
    send("-KILL", sweep.id());
    assert_eq!(sweep.wait().unwrap().code(), None);
    wait_for("end of the runs", || {
        (!runs.iter().any(|pid| is_alive(pid))).then_some(())
    });
}

#[test]
fn what_the_documentation_shows_is_understood() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    for file in ["examples/sweep-job.yaml", "examples/sweep-ci.yaml"] {
        let text = fs::read_to_string(docs.join(file)).unwrap();
        let yaml: Value = serde_saphyr::from_str(&text).unwrap();
        if yaml["kind"] == "Job" {
            let spec = &yaml["spec"];
            assert_eq!(spec["completionMode"], "Indexed");
            assert_eq!(
                (&spec["completions"], &spec["parallelism"]),
                (&9.into(), &9.into())
            );
            assert!(text.contains("--shard auto/9 "), "as many shards as pods");
        } else {
            let shards = yaml["jobs"]["sweep"]["strategy"]["matrix"]["shard"]
                .as_array()
                .unwrap()
                .len();
            assert_eq!(yaml["env"]["SHARDS"], shards);
        }
    }
    let mut shown = 0;
    for file in [
        "examples/sweep-job.yaml",
        "examples/sweep-ci.yaml",
        "src/sweep.md",
    ] {
        let text = fs::read_to_string(docs.join(file)).unwrap();
        for line in text.lines() {
            for command in ["sweep", "merge"] {
                let Some((_, rest)) = line.split_once(&format!("squall {command} ")) else {
                    continue;
                };
                shown += 1;
                let help = out(&squall(Path::new("."), &[command, "--help"]));
                let flags = rest
                    .split_whitespace()
                    .filter(|word| word.starts_with("--"));
                for flag in flags {
                    let flag = flag.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                    let flag = flag.split('=').next().unwrap();
                    assert!(help.contains(flag), "{file}: {flag}");
                }
            }
        }
    }
    assert!(shown >= 8, "{shown}");
}
