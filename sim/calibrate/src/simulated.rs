//! The plan in the engine.

use squall_engine::{Broken, Config, Control, HostSpec, run};
use squall_fault::Link;
use squall_fault::link::Loss;

use crate::measure;
use crate::plan::{CLIENT, Direction, Effort, SERVER, What};

/// Measures in a world of two hosts; milliseconds.
///
/// # Errors
///
/// [`Broken`] if the engine finds the run broken, which would be a defect here.
pub fn measure(
    seed: u64,
    what: What,
    loss: f64,
    direction: Direction,
    effort: Effort,
) -> Result<Vec<f64>, Broken> {
    let config = Config {
        seed,
        ..Config::default()
    };
    let outcome = run(config, async move |control: Control| {
        let add = |name: &str, address| {
            control.add_host(HostSpec {
                name: name.to_owned(),
                addresses: vec![address],
                ..HostSpec::default()
            })
        };
        let server = add("server", SERVER.ip());
        let client = add("client", CLIENT);
        control.start(server, |host, shutdown| {
            Box::pin(async move { Ok(measure::serve(host, shutdown).await?) })
        });
        control.start(client, |_, shutdown| {
            Box::pin(async move {
                shutdown.requested().await;
                Ok(())
            })
        });
        let world = control.clone();
        let lossy = async move || {
            let link = Link {
                loss: Loss::independent(loss),
                ..Link::default()
            };
            if direction.to_server() {
                world.set_link(client, server, link);
            }
            if direction.to_client() {
                world.set_link(server, client, link);
            }
            Ok(())
        };
        let task = control.run_beside(client, move |host| {
            Box::pin(measure::run(host, what, effort, lossy))
        });
        task.await
    })?;
    let measured = outcome.value.and_then(Result::ok);
    Ok(measured.unwrap_or_default())
}
