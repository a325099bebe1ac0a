//! `get`, `put` and `del`.

use etcd_client::{DeleteOptions, GetOptions, KeyValue, PutOptions, SortOrder, SortTarget};

use super::client::{Asked, Kind};
use super::text::Object;
use super::{Flags, Said};

/// Which keys.
#[derive(Clone, Debug)]
struct Range {
    key: String,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    Itself,
    Prefix,
    FromKey,
    Key(String),
}

impl Range {
    fn take(name: &str, flags: &mut Flags<'_>, operands: &[&str]) -> Result<Self, String> {
        let prefix = flags.is_set("--prefix")?;
        let from_key = flags.is_set("--from-key")?;
        let (key, end) = match operands {
            [_, _] if prefix || from_key => {
                return Err(format!(
                    "etcdctl {name}: one key with --prefix or --from-key"
                ));
            }
            [key] if prefix && from_key => {
                return Err(format!(
                    "etcdctl {name} {key}: one of --prefix and --from-key"
                ));
            }
            [key] if prefix => (key, End::Prefix),
            [key] if from_key => (key, End::FromKey),
            [key] => (key, End::Itself),
            [key, end] => (key, End::Key((*end).to_owned())),
            _ => return Err(format!("etcdctl {name} takes a key, and perhaps an end")),
        };
        Ok(Self {
            key: (*key).to_owned(),
            end,
        })
    }

    /// Every key, for an empty one with `--prefix` or `--from-key`.
    fn is_all(&self) -> bool {
        self.key.is_empty() && matches!(self.end, End::Prefix | End::FromKey)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Get {
    range: Range,
    limit: i64,
    revision: i64,
    sort: Option<(SortTarget, SortOrder)>,
    keys_only: bool,
    values_only: bool,
    serializable: bool,
}

pub(super) fn get(flags: &mut Flags<'_>, operands: &[&str]) -> Result<Get, String> {
    let by = flags.take("--sort-by").map(str::to_uppercase);
    let target = match by.as_deref() {
        None | Some("") => None,
        Some("CREATE") => Some(SortTarget::Create),
        Some("KEY") => Some(SortTarget::Key),
        Some("MODIFY") => Some(SortTarget::Mod),
        Some("VALUE") => Some(SortTarget::Value),
        Some("VERSION") => Some(SortTarget::Version),
        Some(other) => return Err(format!("etcdctl get: cannot sort by `{other}`")),
    };
    let order = flags.take("--order").map(str::to_uppercase);
    let order = match order.as_deref() {
        None | Some("") => None,
        Some("ASCEND") => Some(SortOrder::Ascend),
        Some("DESCEND") => Some(SortOrder::Descend),
        Some(other) => return Err(format!("etcdctl get: no order `{other}`")),
    };
    let sort = (target.is_some() || order.is_some()).then(|| {
        let target = target.unwrap_or(SortTarget::Key);
        (target, order.unwrap_or(SortOrder::Ascend))
    });
    let serializable = match flags.take("--consistency") {
        None | Some("l") => false,
        Some("s") => true,
        Some(other) => return Err(format!("etcdctl get: no consistency `{other}`")),
    };
    Ok(Get {
        range: Range::take("get", flags, operands)?,
        limit: flags.number("--limit")?,
        revision: flags.number("--rev")?,
        sort,
        keys_only: flags.is_set("--keys-only")?,
        values_only: flags.is_set("--print-value-only")?,
        serializable,
    })
}

impl Get {
    pub(super) async fn run(&self, asked: &Asked, json: bool) -> Result<Said, String> {
        let options = || {
            let mut options = GetOptions::new()
                .with_limit(self.limit)
                .with_revision(self.revision);
            options = match &self.range.end {
                _ if self.range.is_all() => options.with_all_keys(),
                End::Itself => options,
                End::Prefix => options.with_prefix(),
                End::FromKey => options.with_from_key(),
                End::Key(end) => options.with_range(end.as_str()),
            };
            if let Some((target, order)) = self.sort {
                options = options.with_sort(target, order);
            }
            if self.keys_only {
                options = options.with_keys_only();
            }
            if self.serializable {
                options = options.with_serializable();
            }
            options
        };
        let got = asked
            .call(Kind::Read, |mut client| {
                let (key, options) = (self.range.key.clone(), options());
                async move { client.get(key, Some(options)).await }
            })
            .await?;
        if json {
            let object = Object::default()
                .header(got.header())
                .keys("kvs", got.kvs())
                .flag("more", got.more())
                .number("count", got.count());
            return Ok(Said::output(object.done() + "\n"));
        }
        let mut output = String::new();
        for kv in got.kvs() {
            if !self.values_only {
                line(&mut output, kv.key());
            }
            line(&mut output, kv.value());
        }
        Ok(Said::output(output))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Put {
    key: String,
    /// `None`: what a pipe brings.
    value: Option<String>,
    lease: i64,
    previous: bool,
}

pub(super) fn put(flags: &mut Flags<'_>, operands: &[&str]) -> Result<Put, String> {
    let (key, value) = match operands {
        [key] => (key, None),
        [key, value] => (key, Some((*value).to_owned())),
        _ => return Err("etcdctl put takes a key and a value".to_owned()),
    };
    let lease = flags.take("--lease").unwrap_or("0");
    Ok(Put {
        key: (*key).to_owned(),
        value,
        lease: i64::from_str_radix(lease, 16)
            .map_err(|_| format!("etcdctl put: `{lease}` is no lease"))?,
        previous: flags.is_set("--prev-kv")?,
    })
}

impl Put {
    pub(super) async fn run(&self, asked: &Asked, json: bool, input: &str) -> Result<Said, String> {
        let put = asked
            .call(Kind::Write, |mut client| {
                let value = self.value.as_deref().unwrap_or(input).to_owned();
                let mut options = PutOptions::new().with_lease(self.lease);
                if self.previous {
                    options = options.with_prev_key();
                }
                let key = self.key.clone();
                async move { client.put(key, value, Some(options)).await }
            })
            .await?;
        if json {
            let object = Object::default().header(put.header());
            return Ok(Said::output(object.done() + "\n"));
        }
        let mut output = "OK\n".to_owned();
        if let Some(kv) = put.prev_key() {
            pair(&mut output, kv);
        }
        Ok(Said::output(output))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Delete {
    range: Range,
    previous: bool,
}

pub(super) fn delete(flags: &mut Flags<'_>, operands: &[&str]) -> Result<Delete, String> {
    Ok(Delete {
        range: Range::take("del", flags, operands)?,
        previous: flags.is_set("--prev-kv")?,
    })
}

impl Delete {
    pub(super) async fn run(&self, asked: &Asked, json: bool) -> Result<Said, String> {
        let options = || {
            let options = match &self.range.end {
                _ if self.range.is_all() => DeleteOptions::new().with_all_keys(),
                End::Itself => DeleteOptions::new(),
                End::Prefix => DeleteOptions::new().with_prefix(),
                End::FromKey => DeleteOptions::new().with_from_key(),
                End::Key(end) => DeleteOptions::new().with_range(end.as_str()),
            };
            match self.previous {
                true => options.with_prev_key(),
                false => options,
            }
        };
        let gone = asked
            .call(Kind::Write, |mut client| {
                let (key, options) = (self.range.key.clone(), options());
                async move { client.delete(key, Some(options)).await }
            })
            .await?;
        if json {
            let object = Object::default()
                .header(gone.header())
                .number("deleted", gone.deleted())
                .keys("prev_kvs", gone.prev_kvs());
            return Ok(Said::output(object.done() + "\n"));
        }
        let mut output = format!("{}\n", gone.deleted());
        for kv in gone.prev_kvs() {
            pair(&mut output, kv);
        }
        Ok(Said::output(output))
    }
}

fn pair(output: &mut String, kv: &KeyValue) {
    line(output, kv.key());
    line(output, kv.value());
}

fn line(output: &mut String, bytes: &[u8]) {
    output.push_str(&String::from_utf8_lossy(bytes));
    output.push('\n');
}
