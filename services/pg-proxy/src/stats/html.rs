//! The statistics as a page in the layout of HAProxy's: a table for each proxy, a row for each of
//! its parts, a colour for each state.

use std::fmt::Write as _;

use super::Page;
use super::rows::{Kind, Row};
use crate::config::stats::StatsConfig;
use crate::log::PID;

const STYLE: &str = "\
body { font-family: sans-serif; font-size: 12px; color: #222; background: #fff; }
h1 { font-size: 18px; } h2 { font-size: 15px; }
a { color: #204a87; }
table.tbl { border-collapse: collapse; margin-bottom: 1em; }
table.tbl th, table.tbl td { border: 1px solid #999; padding: 2px 4px; text-align: right; }
table.tbl th { background: #e8e8e0; text-align: center; }
td.ac { text-align: center !important; } th.pxname { font-size: 13px; }
.frontend { background: #f4f4ee; } .backend { background: #e6e6da; font-weight: bold; }
.active_up { background: #c4f0c4; } .active_going_down { background: #ffffa0; }
.active_going_up { background: #ffd020; } .active_down { background: #ff9090; }
.backup_up { background: #b8d8ff; } .backup_going_down { background: #c0b0ff; }
.backup_going_up { background: #ff80ff; } .backup_down { background: #ff9090; }
.active_no_check, .backup_no_check { background: #e0e0e0; } .maintain { background: #c07820; }
.active_draining, .backup_draining { background: #20a0ff; }
";

const HEAD: &str = "<tr class=\"titre\"><th rowspan=2></th><th colspan=3>Queue</th>\
<th colspan=3>Session rate</th><th colspan=6>Sessions</th><th colspan=2>Bytes</th>\
<th colspan=2>Denied</th><th colspan=3>Errors</th><th colspan=2>Warnings</th>\
<th colspan=9>Server</th></tr>\n\
<tr class=\"titre\"><th>Cur</th><th>Max</th><th>Limit</th><th>Cur</th><th>Max</th><th>Limit</th>\
<th>Cur</th><th>Max</th><th>Limit</th><th>Total</th><th>LbTot</th><th>Last</th><th>In</th>\
<th>Out</th><th>Req</th><th>Resp</th><th>Req</th><th>Conn</th><th>Resp</th><th>Retr</th>\
<th>Redis</th><th>Status</th><th>LastChk</th><th>Wght</th><th>Act</th><th>Bck</th><th>Chk</th>\
<th>Dwn</th><th>Dwntme</th><th>Thrtle</th></tr>\n";

/// The whole document.
pub(super) fn write(config: &StatsConfig, page: &Page, rows: &[Row]) -> String {
    let mut text = String::with_capacity(16_384);
    // Writing to a string cannot fail.
    let _ = write(&mut text, config, page, rows);
    return text;

    fn write(
        text: &mut String,
        config: &StatsConfig,
        page: &Page,
        rows: &[Row],
    ) -> std::fmt::Result {
        let version = if config.hide_version {
            ""
        } else {
            " version 2.6, played by squall"
        };
        let up_s = page.begun.elapsed().as_secs();
        let gate = &page.process.gate;
        let node = config.node.as_ref().map(|node| {
            let node = if node.is_empty() {
                &page.process.host_name
            } else {
                node
            };
            format!(" on {}", escaped(node))
        });
        let description = config.description.as_ref();
        let description = description.map(|text| format!(": {}", escaped(text)));
        writeln!(
            text,
            "<!DOCTYPE html>\n<html><head><title>Statistics Report for HAProxy</title>\n\
             <meta charset=\"utf-8\">\n<style>\n{STYLE}</style></head>\n\
             <body><h1>HAProxy{version}</h1>\n\
             <h2>Statistics Report for pid {PID}{}{}</h2>\n<hr>\n\
             <p><b>pid = </b> {PID}<br>\n\
             <b>uptime = </b> {}d {}h{:02}m{:02}s<br>\n<b>maxconn = </b> {}<br>\n\
             current conns = {}<br></p>\n\
             <p><a href=\"{}\">Refresh now</a> <a href=\"{}\">CSV export</a></p>",
            node.unwrap_or_default(),
            description.unwrap_or_default(),
            up_s / 86_400,
            up_s / 3_600 % 24,
            up_s / 60 % 60,
            up_s % 60,
            gate.max(),
            gate.count(),
            escaped(&config.uri),
            escaped(&format!("{};csv;norefresh", config.uri)),
        )?;
        let mut open = None;
        for row in rows {
            let proxy = (row.get("pxname"), row.get("iid"));
            if open != Some(proxy) {
                if open.is_some() {
                    writeln!(text, "</table>")?;
                }
                let name = escaped(proxy.0);
                let legend = match config.show_legends {
                    true => format!(" title=\"mode: {}, id: {}\"", row.get("mode"), proxy.1),
                    false => String::new(),
                };
                writeln!(
                    text,
                    "<table class=\"tbl\">\n<tr class=\"titre\"><th class=\"pxname\"{legend} \
                     colspan=31><a name=\"{name}\"></a>{name}</th></tr>\n{HEAD}"
                )?;
                open = Some(proxy);
            }
            write_row(text, config, row)?;
        }
        if open.is_some() {
            writeln!(text, "</table>")?;
        }
        writeln!(text, "</body></html>")
    }
}

fn write_row(text: &mut String, config: &StatsConfig, row: &Row) -> std::fmt::Result {
    let name = match row.kind {
        Kind::Frontend => "Frontend",
        Kind::Backend => "Backend",
        Kind::Server => row.get("svname"),
    };
    let legend = match config.show_legends && row.kind == Kind::Server {
        true => format!(" title=\"{}\"", escaped(row.get("addr"))),
        false => String::new(),
    };
    write!(
        text,
        "<tr class=\"{}\"><td class=ac{legend}>{}</td>",
        class(row),
        escaped(name)
    )?;
    for column in [
        "qcur", "qmax", "qlimit", "rate", "rate_max", "rate_lim", "scur", "smax", "slim", "stot",
        "lbtot",
    ] {
        write!(text, "<td>{}</td>", row.get(column))?;
    }
    write!(text, "<td>{}</td>", ago(row.get("lastsess")))?;
    for column in [
        "bin", "bout", "dreq", "dresp", "ereq", "econ", "eresp", "wretr", "wredis",
    ] {
        write!(text, "<td>{}</td>", row.get(column))?;
    }
    let since = ago(row.get("lastchg"));
    write!(
        text,
        "<td class=ac>{since} {}</td>",
        escaped(row.get("status"))
    )?;
    let check = match (row.get("check_status"), row.get("check_duration")) {
        ("", _) => String::new(),
        (status, took) => format!("{status} in {took}ms"),
    };
    write!(
        text,
        "<td class=ac title=\"{}\">{}</td>",
        escaped(row.get("last_chk")),
        escaped(&check)
    )?;
    for column in ["weight", "act", "bck", "chkfail", "chkdown"] {
        write!(text, "<td>{}</td>", row.get(column))?;
    }
    let throttle = match row.get("throttle") {
        "" => "-".to_owned(),
        percent => format!("{percent}%"),
    };
    writeln!(
        text,
        "<td>{}</td><td>{throttle}</td></tr>",
        ago(row.get("downtime"))
    )
}

fn class(row: &Row) -> String {
    match row.kind {
        Kind::Frontend => return "frontend".to_owned(),
        Kind::Backend => return "backend".to_owned(),
        Kind::Server => {}
    }
    let group = if row.get("bck") == "1" {
        "backup"
    } else {
        "active"
    };
    let status = row.get("status");
    let state = match status.split(' ').next().unwrap_or_default() {
        "MAINT" => return "maintain".to_owned(),
        "no" => "no_check",
        "DRAIN" => "draining",
        "UP" if status.contains('/') => "going_down",
        "UP" => "up",
        _ if status.contains('/') => "going_up",
        _ => "down",
    };
    format!("{group}_{state}")
}

/// Seconds as `1h5m`, the two biggest units.
fn ago(seconds: &str) -> String {
    let Ok(s) = seconds.parse::<u64>() else {
        return if seconds.is_empty() {
            String::new()
        } else {
            "?".to_owned()
        };
    };
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{}h", s / 86_400, s / 3_600 % 24),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
