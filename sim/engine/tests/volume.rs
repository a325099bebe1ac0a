//! Volumes that several hosts mount.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use squall_engine::{Config, Control, HostId, HostSpec, Mount, run};
use squall_fault::disk::Speed;
use squall_host::Host;
use squall_host::disk::Disk;
use tokio::sync::oneshot;
use tokio::time::Instant;

const FAR: Speed = Speed {
    operation: Duration::from_millis(3),
    sync: Duration::from_millis(5),
    bytes_per_second: None,
    capacity_bytes: 1 << 20,
};

fn host(control: &Control, name: &str, folder: &str, inside: &str) -> HostId {
    let id = control.add_host(HostSpec {
        name: name.to_owned(),
        ..HostSpec::default()
    });
    control.mount(
        id,
        Mount {
            folder: folder.to_owned(),
            volume: "volume".to_owned(),
            inside: inside.to_owned(),
            speed: Some(FAR),
        },
    );
    id
}

/// Runs `work` as the host's process and answers with what it found.
async fn on<T, F, Fut>(control: &Control, id: HostId, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Disk) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    control.start(id, move |host: Host, _| {
        Box::pin(async move {
            let _ = sender.send(work(host.disk).await);
            Ok(())
        })
    });
    let value = receiver.await.unwrap();
    control.exit(id).await;
    value
}

fn world<T, F, Fut>(story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    seeded(1, story)
}

fn seeded<T, F, Fut>(seed: u64, story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let config = Config {
        seed,
        ..Config::default()
    };
    run(config, story).unwrap().value
}

async fn write(disk: Disk, path: &'static str, text: &'static str) -> std::io::Result<()> {
    disk.append(path, Bytes::from_static(text.as_bytes())).await
}

#[test]
fn what_one_host_writes_another_reads_at_its_own_path() {
    world(async move |control: Control| {
        let one = host(&control, "one", "/nfs", "/");
        let other = host(&control, "other", "/home/shared", "/");
        on(&control, one, |disk| write(disk, "/nfs/sub/file", "text"))
            .await
            .unwrap();
        let (read, names, own) = on(&control, other, async move |disk| {
            let read = disk.read("/home/shared/sub/file").await.unwrap();
            let names = disk.list("/home/shared").await.unwrap();
            (read, names, disk.read("/nfs/sub/file").await)
        })
        .await;
        assert_eq!((&read[..], names), (&b"text"[..], vec!["sub".to_owned()]));
        assert!(own.is_err(), "its own disk has nothing there");
    });
}

#[test]
fn a_mount_may_show_a_part_of_the_volume() {
    world(async move |control: Control| {
        let one = host(&control, "one", "/a", "/");
        let other = host(&control, "other", "/b", "/sub");
        on(&control, one, |disk| write(disk, "/a/sub/file", "text"))
            .await
            .unwrap();
        let read = on(&control, other, async move |disk| {
            disk.read("/b/file").await
        })
        .await;
        assert_eq!(&read.unwrap()[..], b"text");
    });
}

#[test]
fn it_outlives_the_power_the_disk_and_the_host_of_who_wrote() {
    // What a loss of power leaves is drawn.
    for seed in 0..20 {
        seeded(seed, outlives);
    }
}

async fn outlives(control: Control) {
    let one = host(&control, "one", "/nfs", "/");
    // Not synced, not even its name.
    on(&control, one, |disk| write(disk, "/nfs/file", "text"))
        .await
        .unwrap();
    on(&control, one, |disk| write(disk, "/own", "text"))
        .await
        .unwrap();
    control.power_off(one);
    control.power_on(one);
    control.keep_on_disk(one, Vec::new());
    let [far, own] = on(&control, one, async move |disk| {
        [disk.read("/nfs/file").await, disk.read("/own").await]
    })
    .await;
    assert_eq!(&far.unwrap()[..], b"text");
    assert!(own.is_err());
    control.power_off(one);
    let late = host(&control, "late", "/nfs", "/");
    let read = on(&control, late, async move |disk| {
        disk.read("/nfs/file").await
    })
    .await;
    assert_eq!(&read.unwrap()[..], b"text");
}

#[test]
fn a_volume_takes_its_own_time_and_delays_no_other_disk() {
    world(async move |control: Control| {
        let one = host(&control, "one", "/nfs", "/");
        let times = on(&control, one, async move |disk| {
            let from = Instant::now();
            let far = async {
                write(disk.clone(), "/nfs/file", "text").await.unwrap();
                disk.sync("/nfs/file").await.unwrap();
                from.elapsed()
            };
            let near = async {
                write(disk.clone(), "/own", "text").await.unwrap();
                from.elapsed()
            };
            tokio::join!(far, near)
        })
        .await;
        assert_eq!(times, (Duration::from_millis(8), Duration::ZERO));
    });
}

#[test]
fn nothing_is_renamed_from_one_disk_to_another() {
    world(async move |control: Control| {
        let one = host(&control, "one", "/nfs", "/");
        let [across, within] = on(&control, one, async move |disk| {
            write(disk.clone(), "/nfs/a", "text").await.unwrap();
            [
                disk.rename("/nfs/a", "/a").await,
                disk.rename("/nfs/a", "/nfs/b").await,
            ]
        })
        .await;
        let error = across.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::CrossesDevices);
        within.unwrap();
    });
}
