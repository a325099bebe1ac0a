//! Lines of a witness made by hand, for the tests. Times are whole seconds.

use squall_record::{Line, RunRecord};

/// What was answered, and the rest of a line.
pub(crate) type Said = (Option<bool>, String);

/// Lines so far.
pub(crate) struct Made {
    lines: Vec<Line>,
    base_s: u64,
}

impl Made {
    pub(crate) fn new() -> Self {
        Self {
            lines: Vec::new(),
            base_s: 0,
        }
    }

    /// What follows is of a process that began then.
    pub(crate) fn restart(&mut self, at_s: u64) -> &mut Self {
        self.base_s = at_s;
        self
    }

    pub(crate) fn start(
        &mut self,
        run: &str,
        revision: i64,
        kvs: &[(&str, &str, i64, i64)],
    ) -> &mut Self {
        let kvs = serde_json::to_string(kvs).unwrap();
        let start = format!(r#""op":"start","run":"{run}","kvs":{kvs},"revision":{revision}"#);
        self.add(0, 0, (Some(true), start))
    }

    pub(crate) fn add(&mut self, from_s: u64, to_s: u64, (ok, rest): Said) -> &mut Self {
        let ok = ok.map_or("null".to_owned(), |ok| ok.to_string());
        let (from_us, to_us) = (from_s * 1_000_000, to_s * 1_000_000);
        let text = format!(
            r#"{{"witness":1,{rest},"ok":{ok},"member":"etcd0","began_us":{from_us},"ended_us":{to_us}}}"#
        );
        self.lines.push(Line {
            at_us: self.base_s * 1_000_000 + to_us,
            host: "witness".into(),
            text,
        });
        self
    }

    pub(crate) fn record(&self) -> RunRecord {
        let mut record = crate::samples::record(Vec::new());
        record.log.lines = self.lines.clone();
        record
    }
}

pub(crate) fn put(key: &str, value: &str, revision: i64) -> Said {
    let rest = format!(r#""op":"put","key":"{key}","value":"{value}","revision":{revision}"#);
    (Some(true), rest)
}

/// A write without an answer (`None`) or one that was refused.
pub(crate) fn failed(key: &str, value: &str, ok: Option<bool>) -> Said {
    let rest = format!(r#""op":"put","key":"{key}","value":"{value}","error":"by hand""#);
    (ok, rest)
}

pub(crate) fn get(key: &str, value: &str, modified: i64, revision: i64) -> Said {
    let rest = format!(
        r#""op":"get","key":"{key}","value":"{value}","mod":{modified},"revision":{revision}"#
    );
    (Some(true), rest)
}

pub(crate) fn serializable((ok, rest): Said) -> Said {
    (ok, format!(r#"{rest},"serializable":true"#))
}

pub(crate) fn absent(key: &str, revision: i64) -> Said {
    let rest = format!(r#""op":"get","key":"{key}","mod":0,"revision":{revision}"#);
    (Some(true), rest)
}

/// A compare-and-set that found something else.
pub(crate) fn lost_cas(key: &str, if_mod: i64, found: (&str, i64), revision: i64) -> Said {
    let (value, modified) = found;
    let rest = format!(
        r#""op":"cas","key":"{key}","value":"aa-x","if_mod":{if_mod},"applied":false,"found":"{value}","mod":{modified},"revision":{revision}"#
    );
    (Some(true), rest)
}

pub(crate) fn won_cas(key: &str, value: &str, if_mod: i64, revision: i64) -> Said {
    let rest = format!(
        r#""op":"cas","key":"{key}","value":"{value}","if_mod":{if_mod},"applied":true,"revision":{revision}"#
    );
    (Some(true), rest)
}

pub(crate) fn watch(from: i64) -> Said {
    (Some(true), format!(r#""op":"watch","from":{from}"#))
}

/// etcd ended the watch.
pub(crate) fn canceled() -> Said {
    (Some(false), r#""op":"canceled","revision":9"#.to_owned())
}

pub(crate) fn event(key: &str, value: &str, modified: i64, version: i64) -> Said {
    let rest = format!(
        r#""op":"event","key":"{key}","value":"{value}","mod":{modified},"version":{version}"#
    );
    (Some(true), rest)
}

pub(crate) fn gone(key: &str, modified: i64) -> Said {
    let rest = format!(r#""op":"event","key":"{key}","mod":{modified},"version":0,"delete":true"#);
    (Some(true), rest)
}

pub(crate) fn grant(lease: i64, ttl_s: i64) -> Said {
    let rest = format!(r#""op":"grant","lease":{lease},"ttl_s":{ttl_s}"#);
    (Some(true), rest)
}

pub(crate) fn attach(key: &str, value: &str, revision: i64, lease: i64) -> Said {
    let (ok, rest) = put(key, value, revision);
    (ok, format!(r#"{rest},"lease":{lease}"#))
}

pub(crate) fn keep_alive(lease: i64, ok: Option<bool>) -> Said {
    (ok, format!(r#""op":"keepalive","lease":{lease}"#))
}

pub(crate) fn finally(kvs: &[(&str, &str, i64, i64)], revision: i64) -> Said {
    let kvs = serde_json::to_string(kvs).unwrap();
    let rest = format!(r#""op":"final","kvs":{kvs},"revision":{revision}"#);
    (Some(true), rest)
}

pub(crate) fn end(ok: bool) -> Said {
    (Some(ok), r#""op":"end""#.to_owned())
}
