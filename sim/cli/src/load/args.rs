//! What `squall load` can be asked for.

use std::path::PathBuf;
use std::time::Duration;

use squall_scenario::units;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct LoadArgs {
    /// Where to send the requests: `http://HOST[:PORT]/PATH`
    #[arg(
        value_name = "URL",
        required_unless_present = "record",
        conflicts_with = "record"
    )]
    pub(crate) url: Option<String>,
    /// How many requests, one after the other
    #[arg(long, value_name = "N", env = "ATTEMPTS", default_value_t = 20)]
    pub(crate) attempts: u64,
    /// From an answer to the next request: seconds, or with a unit
    #[arg(long, value_name = "TIME", env = "DELAY", default_value = "0.5", value_parser = seconds)]
    pub(crate) delay: Duration,
    /// The longest that an answer is waited for: seconds, or with a unit
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// The file into which the proxy before the databases logs (`option tcplog`)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["proxy_log_command", "record"])]
    pub(crate) proxy_log: Option<PathBuf>,
    /// A command for a shell that follows the log of the proxy before the databases
    #[arg(long, value_name = "COMMAND", conflicts_with = "record")]
    pub(crate) proxy_log_command: Option<String>,
    /// The proxy's backend that has the databases
    #[arg(long, value_name = "NAME", default_value = "pg_pool")]
    pub(crate) pool: String,
    /// Send nothing: print the requests of a run, from what `squall run --record` wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Of the run, only the requests of this client
    #[arg(long, value_name = "NAME", requires = "record")]
    pub(crate) client: Option<String>,
}

const EXAMPLES: &str = "\
Prints for each request, with the time (UTC) at which it was sent:
  [01] 12:00:00 | backend=10.42.2.8:8000 | db=pg1 | body={\"users\":3,\"pod\":\"backend-6f…\"}

Examples:
  squall load http://127.0.0.1:8081/users --proxy-log-command \\
      'kubectl -n highload-dns logs -f deploy/haproxy --since=1s'
  squall load http://127.0.0.1:8080/data --proxy-log haproxy.log --pool postgres_back
  squall load http://127.0.0.1:8081/users --attempts 100 --delay 100ms
  squall run FILE --record run.json; squall load --record run.json

Exit status: 0 when every request was answered with 200 to 299, 1 when not, 2 without requests";

/// Seconds as a plain number, as the shell's `sleep` has them, or a duration of scenario files.
fn seconds(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string());
    }
    units::duration(text).map_err(|bad| format!("{}; {}", bad.message, bad.help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_unit_is_in_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("250ms"), Ok(Duration::from_millis(250)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err());
    }
}
