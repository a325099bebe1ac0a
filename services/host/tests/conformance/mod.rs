//! What every disk does alike, the real one and the simulated one.

use bytes::Bytes;
use squall_host::disk::Disk;

async fn append(disk: &Disk, path: &str, data: &'static str) -> Result<(), i32> {
    disk.append(path, Bytes::from_static(data.as_bytes()))
        .await
        .map_err(errno)
}

async fn read(disk: &Disk, path: &str) -> Result<String, i32> {
    let data = disk.read(path).await.map_err(errno)?;
    Ok(String::from_utf8(data.to_vec()).unwrap())
}

fn errno(error: std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

/// Works in `folder`, which is absent, and leaves one file in it, `b`.
pub(crate) async fn disk(disk: &Disk, folder: &str) {
    let path = |name: &str| format!("{folder}/{name}");
    let (a, b) = (path("a"), path("b"));

    // Nothing is there yet.
    assert_eq!(disk.list(folder).await.unwrap(), Vec::<String>::new());
    assert_eq!(read(disk, &a).await, Err(libc::ENOENT));
    assert_eq!(disk.sync(&a).await.map_err(errno), Err(libc::ENOENT));
    assert_eq!(disk.remove(&a).await.map_err(errno), Err(libc::ENOENT));
    assert_eq!(disk.rename(&a, &b).await.map_err(errno), Err(libc::ENOENT));
    assert_eq!(disk.truncate(&a, 0).await.map_err(errno), Err(libc::ENOENT));

    // A log grows, is synced and read.
    append(disk, &a, "one ").await.unwrap();
    append(disk, &a, "two").await.unwrap();
    append(disk, &a, "").await.unwrap();
    disk.sync(&a).await.unwrap();
    assert_eq!(read(disk, &a).await.unwrap(), "one two");

    // It is cut, and grows from there; not beyond its end.
    disk.truncate(&a, 4).await.unwrap();
    assert_eq!(disk.truncate(&a, 5).await.map_err(errno), Err(libc::EINVAL));
    append(disk, &a, "2").await.unwrap();
    disk.sync(&a).await.unwrap();
    assert_eq!(read(disk, &a).await.unwrap(), "one 2");

    // Another takes its place in one step.
    append(disk, &b, "old").await.unwrap();
    disk.rename(&a, &b).await.unwrap();
    disk.rename(&b, &b).await.unwrap();
    disk.sync(&b).await.unwrap();
    assert_eq!(read(disk, &b).await.unwrap(), "one 2");
    assert_eq!(read(disk, &a).await, Err(libc::ENOENT));

    // An empty file is a file; names come sorted, folders among them.
    append(disk, &path("empty"), "").await.unwrap();
    append(disk, &path("deep/er/file"), "x").await.unwrap();
    append(disk, &path("c"), "x").await.unwrap();
    let names = disk.list(folder).await.unwrap();
    assert_eq!(names, ["b", "c", "deep", "empty"]);
    assert_eq!(disk.list(&path("deep/")).await.unwrap(), ["er"]);
    assert_eq!(read(disk, &path("empty")).await.unwrap(), "");

    // Removed is removed; the folder stays.
    for name in ["empty", "c", "deep/er/file"] {
        disk.remove(&path(name)).await.unwrap();
    }
    disk.sync(folder).await.unwrap();
    assert_eq!(disk.list(folder).await.unwrap(), ["b", "deep"]);
    assert_eq!(disk.list(&path("deep")).await.unwrap(), ["er"]);

    // A folder is no file, and a file is no folder.
    let deep = path("deep");
    assert_eq!(append(disk, &deep, "x").await, Err(libc::EISDIR));
    assert_eq!(read(disk, &deep).await, Err(libc::EISDIR));
    assert_eq!(disk.remove(&deep).await.map_err(errno), Err(libc::EISDIR));
    assert_eq!(
        disk.truncate(&deep, 0).await.map_err(errno),
        Err(libc::EISDIR)
    );
    assert_eq!(
        disk.rename(&b, &deep).await.map_err(errno),
        Err(libc::EISDIR)
    );
    assert_eq!(append(disk, &path("b/x"), "x").await, Err(libc::ENOTDIR));
    assert_eq!(read(disk, &path("b/x")).await, Err(libc::ENOTDIR));
    assert_eq!(disk.list(&b).await.map_err(errno), Err(libc::ENOTDIR));
    let nowhere = path("nowhere/b");
    assert_eq!(
        disk.rename(&b, &nowhere).await.map_err(errno),
        Err(libc::ENOENT)
    );

    // A path may be written in more than one way.
    assert_eq!(read(disk, &path("deep/.././/b")).await.unwrap(), "one 2");
}
