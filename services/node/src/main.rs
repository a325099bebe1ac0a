//! `squall-node SERVICE`: runs one service of this workspace on the real machine.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use squall_host::launch::chain;
use squall_host::{Files, Host, Launch, Shutdown, Trigger};
use squall_node::Program;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Bad arguments or input; the same in every command of this workspace.
const EXIT_BAD_INPUT: u8 = 254;

const EXAMPLES: &str = "\
Examples:
  squall-node list
  squall-node edge -c /etc/nginx/nginx.conf
  squall-node pg-proxy -f /usr/local/etc/haproxy/haproxy.cfg
  POSTGRES_PASSWORD=secret squall-node pg-stub
  DB_HOST=localhost BACKEND_ID=backend1 squall-node users-api
  squall-node exec curl -f http://localhost:8080/health

Logs go to stderr; RUST_LOG sets their level (default: info). SIGTERM, SIGINT and SIGQUIT stop
gracefully; a second one ends at once. Exit status: 0 after a graceful stop, 1 when the service
fails, 254 when its arguments or files are not good.";

/// Runs one service of this workspace.
#[derive(Debug, Parser)]
#[command(name = "squall-node", version, after_help = EXAMPLES, disable_help_subcommand = true)]
#[command(
    override_usage = "squall-node SERVICE [ARGS]...\n       squall-node list\n       squall-node exec COMMAND [ARGS]..."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name the services
    List,
    /// Run a command that healthchecks know: curl, wget, nc, pg_isready, sh -c
    Exec {
        /// The command and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// A service and its arguments
    #[command(external_subcommand)]
    Service(Vec<String>),
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let bad = error.use_stderr();
            // A closed pipe changes nothing about the outcome.
            let _ = error.print();
            return if bad {
                ExitCode::from(EXIT_BAD_INPUT)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    log_to_stderr();
    match arguments.command {
        Command::List => list(),
        Command::Exec { command } => exec(&command),
        Command::Service(words) => {
            let (name, args) = words.split_first().map_or(("", &[][..]), |(n, a)| (n, a));
            match squall_node::programs().remove(name) {
                Some(program) if args.iter().any(|arg| arg == "--help") => help(program),
                Some(program) => serve(program, args),
                None => {
                    eprintln!("no service `{name}`; `squall-node list` names them");
                    ExitCode::from(EXIT_BAD_INPUT)
                }
            }
        }
    }
}

fn help(program: Program) -> ExitCode {
    let out = Host::real().out;
    out.line(&format!("{}: {}", program.name, program.about));
    out.line("");
    out.line(program.usage);
    ExitCode::SUCCESS
}

fn list() -> ExitCode {
    let out = Host::real().out;
    for program in squall_node::programs().values() {
        out.line(&format!("{:<12} {}", program.name, program.about));
    }
    ExitCode::SUCCESS
}

fn exec(command: &[String]) -> ExitCode {
    run(async {
        let host = Host::real();
        let status = squall_node::exec(&host, &environment(), command).await;
        ExitCode::from(u8::try_from(status).unwrap_or(1))
    })
}

fn serve(program: Program, args: &[String]) -> ExitCode {
    let launch = Launch {
        args: args.to_vec(),
        env: environment(),
        files: Files::real(),
    };
    let loaded = match (program.load)(&launch) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(EXIT_BAD_INPUT);
        }
    };
    run(async {
        let (trigger, shutdown) = Shutdown::new();
        if let Err(error) = on_signals(trigger) {
            eprintln!("cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
        match loaded.start(Host::real(), shutdown).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{}: {}", program.name, chain(&*error));
                ExitCode::FAILURE
            }
        }
    })
}

fn run(work: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => {
            eprintln!("cannot start the runtime: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The environment, but for what is not UTF-8: no service here has such a setting.
fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

fn log_to_stderr() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}

/// The first of the signals asks for a graceful stop, the second ends the process.
fn on_signals(trigger: Trigger) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    tokio::spawn(async move {
        any(&mut terminate, &mut interrupt, &mut quit).await;
        trigger.request();
        any(&mut terminate, &mut interrupt, &mut quit).await;
        std::process::exit(1);
    });
    Ok(())
}

async fn any(terminate: &mut Signal, interrupt: &mut Signal, quit: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = quit.recv() => {}
    }
}
