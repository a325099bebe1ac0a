//! The service on the real machine: its environment, its disk, its network.

use notes_example::Config;
use squall_host::{Host, Shutdown};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let config = Config::read(&std::env::vars().collect())?;
    let (trigger, shutdown) = Shutdown::new();
    tokio::spawn(async move {
        // Without a signal to wait for, the service runs until it is killed.
        if tokio::signal::ctrl_c().await.is_ok() {
            trigger.request();
        }
    });
    println!("notes on http://{}/notes", config.listen);
    Ok(notes_example::run(config, Host::real(), shutdown).await?)
}
