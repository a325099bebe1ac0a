//! libpq's connection strings, as `primary_conninfo` has them: `host=a port=5432 user='b c'`
//! (manual, 34.1.1.1).

use std::time::Duration;

/// Keywords that libpq knows and that change nothing here: there is no TLS, and TCP is the kernel's.
const WITHOUT_EFFECT: &[&str] = &[
    "sslmode",
    "sslcompression",
    "sslsni",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "ssl_min_protocol_version",
    "gssencmode",
    "krbsrvname",
    "target_session_attrs",
    "channel_binding",
    "passfile",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "fallback_application_name",
    "client_encoding",
    "options",
    "replication",
];

/// Where a primary is, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conninfo {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<String>,
    /// The database; a physical standby needs none.
    pub database: Option<String>,
    /// How the standby calls itself; `synchronous_standby_names` means these names.
    pub application: Option<String>,
    /// For the look-up and the handshake; libpq waits for ever where nothing says otherwise, the
    /// kernel does not.
    pub connect_timeout: Option<Duration>,
}

impl Conninfo {
    /// Reads a string; the error is for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut info = Self {
            host: String::new(),
            port: 5432,
            user: "postgres".to_owned(),
            password: None,
            database: None,
            application: None,
            connect_timeout: None,
        };
        for (name, value) in pairs(text)? {
            match name.as_str() {
                "host" | "hostaddr" => info.host = value,
                "port" => {
                    let port = value.parse();
                    info.port = port.map_err(|_| format!("invalid port number: \"{value}\""))?;
                }
                "user" => info.user = value,
                "password" => info.password = Some(value),
                "dbname" => info.database = Some(value),
                "application_name" => info.application = Some(value),
                "connect_timeout" => {
                    let seconds: u64 = value.parse().map_err(|_| {
                        format!("invalid integer value \"{value}\" for connection option \"connect_timeout\"")
                    })?;
                    // libpq takes no less than two seconds (fe-connect.c).
                    info.connect_timeout =
                        (seconds > 0).then(|| Duration::from_secs(seconds.max(2)));
                }
                name if WITHOUT_EFFECT.contains(&name) => {}
                name => return Err(format!("invalid connection option \"{name}\"")),
            }
        }
        match info.host.is_empty() {
            true => Err("no host in the connection string, and pg-stub has no local socket".into()),
            false => Ok(info),
        }
    }

    /// The string again, with everything in quotes.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let port = self.port.to_string();
        let all = [
            ("user", Some(&self.user)),
            ("password", self.password.as_ref()),
            ("host", Some(&self.host)),
            ("port", Some(&port)),
            ("application_name", self.application.as_ref()),
        ];
        for (name, value) in all {
            let Some(value) = value else { continue };
            let quoted = value.replace('\\', "\\\\").replace('\'', "\\'");
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&format!("{name}='{quoted}'"));
        }
        text
    }

    /// The string as views show it.
    pub fn shown(&self) -> String {
        let mut hidden = self.clone();
        hidden.password = self.password.as_ref().map(|_| "********".to_owned());
        hidden.text()
    }
}

/// `name=value name='va lue'`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut list = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(c) = chars.next_if(|c| *c != '=' && !c.is_whitespace()) {
            name.push(c);
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        if name.is_empty() && chars.peek().is_none() {
            return Ok(list);
        }
        if chars.next() != Some('=') {
            return Err(format!(
                "missing \"=\" after \"{name}\" in connection info string"
            ));
        }
        while chars.next_if(|c| c.is_whitespace()).is_some() {}
        let quoted = chars.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match chars.next() {
                Some('\\') => value.extend(chars.next()),
                Some('\'') if quoted => break,
                Some(c) if !quoted && c.is_whitespace() => break,
                Some(c) => value.push(c),
                None if quoted => {
                    return Err("unterminated quoted string in connection info string".into());
                }
                None => break,
            }
        }
        list.push((name, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn there_and_back(host in "[a-z0-9.]{1,12}", user in "[^\0]{0,8}", password in "[^\0]{0,8}", port in 1..=u16::MAX) {
            let info = Conninfo {
                host,
                port,
                user,
                password: Some(password),
                database: None,
                application: Some("a'b\\c".to_owned()),
                connect_timeout: None,
            };
            proptest::prop_assert_eq!(Conninfo::parse(&info.text()), Ok(info));
        }
    }

    #[test]
    fn strings_are_read_as_libpq_reads_them() {
        let info =
            Conninfo::parse("host = pg1 user=repl password='it\\'s'  sslmode=prefer").unwrap();
        assert_eq!((info.host.as_str(), info.port), ("pg1", 5432));
        assert_eq!(info.password.as_deref(), Some("it's"));
        assert!(info.shown().contains("********"));
        for wrong in [
            "host",
            "host=a port=x",
            "host=a nonsense=1",
            "user=a",
            "host='a",
        ] {
            assert!(Conninfo::parse(wrong).is_err(), "{wrong}");
        }
    }
}
