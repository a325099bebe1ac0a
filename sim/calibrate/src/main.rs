//! The command `squall-calibrate`: arguments in, a table out, exit codes as everywhere (254 for what
//! cannot run here, 255 for a broken testbed).

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use squall_calibrate::distance::{distance, summary};
use squall_calibrate::kernel::{Namespaces, lose};
use squall_calibrate::plan::{Direction, Effort, What};
use squall_calibrate::table::{Row, text};
use squall_calibrate::{kernel, measure, simulated};
use squall_host::{Host, Shutdown};
use tokio::signal::unix::{SignalKind, signal};

const BAD_INPUT: u8 = 254;
const BROKEN: u8 = 255;

/// Holds the simulated network against the Linux kernel: connect and request latencies under packet
/// loss, in both worlds, side by side. Needs root, ip and nft.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    inside: Option<Inside>,
    #[command(flatten)]
    plan: Plan,
}

#[derive(Args)]
struct Plan {
    /// How many of 100 packets are lost.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 10, 25, 50], value_parser = clap::value_parser!(u8).range(0..=90))]
    loss: Vec<u8>,
    /// Which packets are lost.
    #[arg(long, value_enum, default_value = "to-server")]
    direction: Direction,
    /// Measurements of each kind under each loss.
    #[arg(long, default_value_t = 1_000)]
    count: usize,
    /// How many go on at once.
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// A measurement that takes longer counts as this long, in seconds.
    #[arg(long, default_value_t = 60)]
    limit: u64,
    /// Differences below so many milliseconds do not count for KS: a busy machine wakes its processes
    /// late.
    #[arg(long, default_value_t = 25.0)]
    blur_ms: f64,
    /// Decides what is lost in the simulation.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Measures the simulation alone.
    #[arg(long)]
    simulated_only: bool,
    /// What is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What this program runs of itself inside a namespace.
#[derive(Subcommand)]
enum Inside {
    #[command(hide = true)]
    Serve,
    #[command(hide = true)]
    Measure {
        #[arg(long)]
        what: What,
        #[arg(long)]
        percent: u8,
        #[arg(long)]
        count: usize,
        #[arg(long)]
        clients: usize,
        #[arg(long)]
        limit_ms: u64,
        /// Namespaces that lose what comes in.
        #[arg(long)]
        lossy: Vec<String>,
    },
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    #[error(transparent)]
    Engine(#[from] squall_engine::Broken),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("interrupted")]
    Interrupted,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.inside {
        Some(inside) => run_inside(inside).await,
        None => tokio::select! {
            result = compare(&cli.plan) => result,
            result = interrupted() => result,
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("squall-calibrate: {error}");
            ExitCode::from(match error {
                Error::Kernel(_) | Error::Interrupted => BAD_INPUT,
                Error::Engine(_) | Error::Io(_) | Error::Json(_) => BROKEN,
            })
        }
    }
}

async fn interrupted() -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Err(Error::Interrupted)
}

async fn compare(plan: &Plan) -> Result<(), Error> {
    let effort = Effort {
        count: plan.count,
        clients: plan.clients,
        limit: Duration::from_secs(plan.limit),
    };
    let namespaces = match plan.simulated_only {
        true => None,
        false => Some(Namespaces::new().await?),
    };
    let mut rows = Vec::new();
    for what in What::ALL {
        for &percent in &plan.loss {
            let linux = match &namespaces {
                Some(namespaces) => {
                    namespaces
                        .measure(what, percent, plan.direction, effort)
                        .await?
                }
                None => Vec::new(),
            };
            let loss = f64::from(percent) / 100.0;
            let simulated = simulated::measure(plan.seed, what, loss, plan.direction, effort)?;
            let row = Row {
                what,
                loss_percent: percent,
                direction: plan.direction,
                linux: summary(&linux),
                simulated: summary(&simulated),
                distance: distance(&linux, &simulated, plan.blur_ms.max(0.001)),
            };
            rows.push(row);
        }
    }
    match plan.format {
        Format::Text => anstream::print!("{}", text(&rows)),
        Format::Json => anstream::println!("{}", serde_json::to_string_pretty(&rows)?),
    }
    Ok(())
}

async fn run_inside(inside: Inside) -> Result<(), Error> {
    match inside {
        Inside::Serve => Ok(measure::serve(Host::real(), Shutdown::never()).await?),
        Inside::Measure {
            what,
            percent,
            count,
            clients,
            limit_ms,
            lossy,
        } => {
            let effort = Effort {
                count,
                clients,
                limit: Duration::from_millis(limit_ms),
            };
            let ready = async || {
                for namespace in &lossy {
                    let lost = lose(namespace, percent).await;
                    lost.map_err(std::io::Error::other)?;
                }
                Ok(())
            };
            let measured = measure::run(Host::real(), what, effort, ready).await?;
            anstream::println!("{}", serde_json::to_string(&measured)?);
            Ok(())
        }
    }
}
