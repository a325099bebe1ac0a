//! Commands that run beside a service, as probes, hooks and `docker exec` do, or as a container's main
//! process.
//!
//! The images of real systems bring curl, wget, nc, nslookup, pg_isready, psql, etcdctl, grpc_health_probe
//! and a shell; these are their parts that probes and init containers use, over the machine's own network.
//! What is not understood is refused when the system is planned ([`knows`], `check`) and ends with 127
//! when it is run all the same. Deliberately absent: what is in files, other users, signals, command substitution,
//! functions, TLS.

mod becoming;
mod etcdctl;
mod files;
mod grpc;
mod http;
mod names;
mod net;
mod options;
pub(crate) mod program;
mod psql;
mod shell;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::Host;

use self::shell::Script;

/// A shell's status for a command that it does not find.
const STATUS_NOT_FOUND: i32 = 127;
/// `timeout(1)`'s status.
const STATUS_TIMEOUT: i32 = 124;
/// The longest that any command runs here.
const RUN_MAX: Duration = Duration::from_secs(300);
/// Longer than anything runs.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
/// The most that a command keeps of what it prints, in bytes.
const OUTPUT_MAX: usize = 1 << 20;

/// A command's status and what it printed to standard output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcome {
    status: i32,
    output: String,
}

impl Outcome {
    fn status(status: i32) -> Self {
        Self {
            status,
            output: String::new(),
        }
    }

    fn truth(truth: bool) -> Self {
        Self::status(i32::from(!truth))
    }
}

/// One command, its arguments understood.
#[derive(Clone, Debug)]
enum Command {
    True,
    False,
    Exit(i32),
    /// `exec`
    Become(Vec<String>),
    Sleep(Duration),
    Echo(String),
    Test(Vec<String>),
    Files(files::Files),
    Grep(Grep),
    Fetch(http::Fetch),
    Reach(net::Reach),
    LookUp(names::LookUp),
    PgIsReady(net::PgIsReady),
    Psql(psql::Psql),
    HealthProbe(grpc::HealthProbe),
    Etcdctl(etcdctl::Etcdctl),
    Hostname,
    Shell {
        script: Script,
        ends_on_failure: bool,
    },
    Within(Duration, Box<Command>),
}

#[derive(Clone, Debug)]
struct Grep {
    pattern: regex::Regex,
    quiet: bool,
    inverted: bool,
}

/// Whether [`exec`] can run this command: its name and its options are understood.
pub fn knows(command: &[String]) -> bool {
    parse(command).is_ok_and(|command| check(&command).is_ok())
}

/// Runs a command on `host` with a container's environment; its exit status. Prints nothing.
pub async fn exec(host: &Host, env: &BTreeMap<String, String>, command: &[String]) -> i32 {
    let Ok(command) = parse(command) else {
        return STATUS_NOT_FOUND;
    };
    let machine = Machine {
        host,
        env,
        prints: false,
        errors: Errors::Nowhere,
        ends_on_failure: false,
        programs: None,
    };
    match tokio::time::timeout(RUN_MAX, machine.run(&command, "")).await {
        Ok(outcome) => outcome.status,
        Err(_) => STATUS_TIMEOUT,
    }
}

/// Understands a command with its arguments. The error says what is not understood.
fn parse(command: &[String]) -> Result<Command, String> {
    let (name, args) = command.split_first().ok_or("an empty command")?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let name = name.rsplit('/').next().unwrap_or(name);
    Ok(match name {
        "true" | ":" => Command::True,
        "false" => Command::False,
        "exit" => Command::Exit(match args[..] {
            [] => 0,
            [status] => status
                .parse::<u8>()
                .map_err(|_| "exit takes 0 to 255")?
                .into(),
            _ => return Err("exit takes one status".to_owned()),
        }),
        "exec" => Command::Become(becoming::becoming(&args)?),
        "sleep" => match args[..] {
            [text] => Command::Sleep(seconds(text)?),
            _ => return Err("sleep takes one time".to_owned()),
        },
        "echo" => Command::Echo(args.join(" ") + "\n"),
        "test" => question(&args),
        "[" => match args.split_last() {
            Some((&"]", args)) => question(args),
            _ => return Err("[ without its ]".to_owned()),
        },
        "rm" => Command::Files(files::rm(&args)?),
        "mv" => Command::Files(files::two(name, &args, files::Files::Move)?),
        "cp" => Command::Files(files::two(name, &args, files::Files::Copy)?),
        "mkdir" => Command::Files(files::mkdir(&args)?),
        "grep" => Command::Grep(grep(&args)?),
        "hostname" if args.is_empty() => Command::Hostname,
        "nslookup" => Command::LookUp(names::nslookup(&args)?),
        "getent" => Command::LookUp(names::getent(&args)?),
        "psql" => Command::Psql(psql::psql(&args)?),
        "grpc_health_probe" | "grpc-health-probe" => {
            Command::HealthProbe(grpc::health_probe(&args)?)
        }
        "etcdctl" => Command::Etcdctl(etcdctl::etcdctl(&args)?),
        // The one binary of the image of this name; its first argument is the command.
        "busybox" => parse(&command[1..])?,
        "curl" => Command::Fetch(http::curl(&args)?),
        "wget" => Command::Fetch(http::wget(&args)?),
        "nc" | "ncat" | "netcat" => Command::Reach(net::nc(&args)?),
        "pg_isready" => Command::PgIsReady(net::pg_isready(&args)?),
        "timeout" => match command {
            [_, time, rest @ ..] if !rest.is_empty() => {
                Command::Within(seconds(time)?, Box::new(parse(rest)?))
            }
            _ => return Err("timeout takes a time and a command".to_owned()),
        },
        "sh" | "bash" | "ash" | "dash" => match args[..] {
            [flags @ ("-c" | "-ec" | "-lc" | "-ce"), line] | [flags @ "-e", "-c", line] => {
                Command::Shell {
                    script: shell::parse(line)?,
                    ends_on_failure: flags.contains('e'),
                }
            }
            _ => return Err(format!("{name} without -c")),
        },
        _ => return Err(format!("no command `{name}` here")),
    })
}

/// test(1), about files or words.
fn question(words: &[&str]) -> Command {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    files::test(&words).map_or(Command::Test(words), Command::Files)
}

/// `5`, `0.5`, `5s`, `1m`, `2h`, `1d`, `infinity`.
fn seconds(text: &str) -> Result<Duration, String> {
    if matches!(text, "inf" | "infinity") {
        return Ok(FOR_EVER);
    }
    let (number, unit_s) = match text.as_bytes().last() {
        Some(b's') => (&text[..text.len() - 1], 1.0),
        Some(b'm') => (&text[..text.len() - 1], 60.0),
        Some(b'h') => (&text[..text.len() - 1], 3_600.0),
        Some(b'd') => (&text[..text.len() - 1], 86_400.0),
        _ => (text, 1.0),
    };
    number
        .parse::<f64>()
        .ok()
        .and_then(|number| Duration::try_from_secs_f64(number * unit_s).ok())
        .ok_or_else(|| format!("`{text}` is no time"))
}

fn grep(args: &[&str]) -> Result<Grep, String> {
    let (mut quiet, mut inverted, mut ignore_case, mut fixed) = (false, false, false, false);
    let mut pattern = None;
    for arg in args {
        match arg.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            Some(letters) if pattern.is_none() => {
                for letter in letters.chars() {
                    match letter {
                        'q' | 's' => quiet = true,
                        'v' => inverted = true,
                        'i' => ignore_case = true,
                        'F' => fixed = true,
                        'E' | 'e' | 'o' => {}
                        _ => return Err(format!("grep: no option -{letter} here")),
                    }
                }
            }
            _ if pattern.is_none() => pattern = Some(*arg),
            _ => return Err("grep: no files here".to_owned()),
        }
    }
    let pattern = pattern.ok_or("grep without a pattern")?;
    let pattern = match fixed {
        true => regex::escape(pattern),
        false => pattern.to_owned(),
    };
    let pattern = regex::RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .build()
        .map_err(|error| format!("grep: {error}"))?;
    Ok(Grep {
        pattern,
        quiet,
        inverted,
    })
}

/// That a command can run, down to the commands of its lines; what is not known, otherwise.
fn check(command: &Command) -> Result<(), String> {
    match command {
        // Variables have values only when it runs; a digit is good for names and numbers.
        Command::Shell { script, .. } => script.commands().iter().try_for_each(|words| {
            let words: Vec<String> = words.iter().map(shell::Word::stand_in).collect();
            check(&parse(&words)?)
        }),
        Command::Within(_, command) => check(command),
        Command::Test(words) if test(words) == TEST_NOT_UNDERSTOOD => {
            Err(format!("`test {}` is not known here", words.join(" ")))
        }
        _ => Ok(()),
    }
}

/// Where a command runs.
#[derive(Clone, Copy)]
struct Machine<'a> {
    host: &'a Host,
    env: &'a BTreeMap<String, String>,
    /// What it prints goes to the process's own output, line by line.
    prints: bool,
    /// Where standard error leads to.
    errors: Errors,
    /// `set -e`
    ends_on_failure: bool,
    /// What it can become; nothing beside a service.
    programs: Option<&'a becoming::Programs>,
}

/// Where standard error leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    Nowhere,
    /// The process's own output.
    ToLog,
    /// `2>&1`
    ToOutput,
}

impl Machine<'_> {
    /// The same for a command that is asked whether something is so: it may fail.
    fn asking(self) -> Self {
        Self {
            ends_on_failure: false,
            ..self
        }
    }

    /// What a command printed to either output, with the second where it leads to.
    fn outcome(&self, status: i32, mut output: String, errors: &str) -> Outcome {
        match self.errors {
            Errors::Nowhere => {}
            Errors::ToLog => errors.lines().for_each(|line| self.host.out.line(line)),
            Errors::ToOutput => output.push_str(errors),
        }
        Outcome { status, output }
    }

    async fn run(&self, command: &Command, input: &str) -> Outcome {
        match command {
            Command::True => Outcome::status(0),
            Command::False => Outcome::status(1),
            Command::Become(words) => match self.programs {
                Some(programs) => programs.run(words, self.host).await,
                None => Outcome::status(STATUS_NOT_FOUND),
            },
            Command::Exit(status) => Outcome::status(*status),
            Command::Sleep(time) => {
                tokio::time::sleep(*time).await;
                Outcome::status(0)
            }
            Command::Echo(text) => Outcome {
                status: 0,
                output: text.clone(),
            },
            Command::Test(words) => Outcome::status(test(words)),
            Command::Files(files) => files.run(&self.host.disk).await,
            Command::Grep(grep) => run_grep(grep, input),
            Command::Fetch(fetch) => fetch.run(self.host).await,
            Command::Reach(reach) => reach.run(self.host).await,
            Command::PgIsReady(check) => check.run(self.host, self.env).await,
            Command::LookUp(look_up) => look_up.run(self.host).await,
            Command::Psql(psql) => psql.run(self.host, self.env).await,
            Command::HealthProbe(probe) => Box::pin(probe.run(self.host)).await,
            Command::Etcdctl(etcdctl) => {
                let said = Box::pin(etcdctl.run(self.host, self.env, input)).await;
                self.outcome(said.status, said.output, &said.errors)
            }
            Command::Hostname => Outcome {
                status: 0,
                output: self
                    .env
                    .get("HOSTNAME")
                    .map_or(self.host.name(), String::as_str)
                    .to_owned()
                    + "\n",
            },
            Command::Shell {
                script,
                ends_on_failure,
            } => {
                let machine = Self {
                    ends_on_failure: *ends_on_failure,
                    ..*self
                };
                Box::pin(script.run(machine, input)).await
            }
            Command::Within(time, command) => {
                let run = Box::pin(self.run(command, input));
                let within = tokio::time::timeout(*time, run).await;
                within.unwrap_or_else(|_| Outcome::status(STATUS_TIMEOUT))
            }
        }
    }
}

fn run_grep(grep: &Grep, input: &str) -> Outcome {
    let mut outcome = Outcome::status(1);
    for line in input.lines() {
        if grep.pattern.is_match(line) != grep.inverted {
            outcome.status = 0;
            if !grep.quiet && outcome.output.len() < OUTPUT_MAX {
                outcome.output.push_str(line);
                outcome.output.push('\n');
            }
        }
    }
    outcome
}

/// test(1)'s status for what it does not understand.
const TEST_NOT_UNDERSTOOD: i32 = 2;

/// test(1) for strings and numbers.
fn test(words: &[String]) -> i32 {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let truth = match words[..] {
        [] => Some(false),
        [word] => Some(!word.is_empty()),
        ["-n", word] => Some(!word.is_empty()),
        ["-z", word] => Some(word.is_empty()),
        ["!", word] => Some(word.is_empty()),
        [a, "=" | "==", b] => Some(a == b),
        [a, "!=", b] => Some(a != b),
        [a, operator, b] => match (a.trim().parse::<i64>(), b.trim().parse::<i64>()) {
            (Ok(a), Ok(b)) => match operator {
                "-eq" => Some(a == b),
                "-ne" => Some(a != b),
                "-lt" => Some(a < b),
                "-le" => Some(a <= b),
                "-gt" => Some(a > b),
                "-ge" => Some(a >= b),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    };
    truth.map_or(TEST_NOT_UNDERSTOOD, |truth| Outcome::truth(truth).status)
}
