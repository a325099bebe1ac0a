//! Errors as PostgreSQL reports them, and why the server as a whole ends.

use squall_host::net::ListenError;

use crate::wal::log::LogError;

/// Why the server ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The embedded engine cannot start.
    #[error("cannot start the SQL engine: {0}")]
    Engine(String),
    /// The data folder is not what it was.
    #[error("{file}, byte {offset}: {what}")]
    Damaged {
        /// The file.
        file: String,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The disk failed while the server started or stopped.
    #[error(transparent)]
    Disk(#[from] LogError),
    /// The server cannot know what is durable, or what is committed (PANIC).
    #[error("{0}")]
    Panic(String),
    /// A setting or a file of settings is wrong.
    #[error("{0}")]
    Setting(String),
    /// A replica cannot copy its primary.
    #[error("pg_basebackup: error: {0}")]
    BaseCopy(String),
    /// A script in `/docker-entrypoint-initdb.d` failed, as it stops the official image.
    #[error("{file}: {error}")]
    InitScript {
        /// The script, as the user would open it.
        file: String,
        /// What it was told.
        error: Box<PgError>,
    },
}

/// How bad an error is for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed; the session lives.
    Error,
    /// The session ends.
    Fatal,
    /// The session lives, nothing failed.
    Warning,
    /// As a warning, milder.
    Notice,
}

impl Severity {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// One error or notice with its SQLSTATE (PostgreSQL manual, appendix A).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message} (SQLSTATE {code})", severity.word())]
pub struct PgError {
    /// How bad.
    pub severity: Severity,
    /// The SQLSTATE, five characters.
    pub code: &'static str,
    /// The primary message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What to do.
    pub hint: Option<String>,
    /// Where in the statement's text, in characters from 1.
    pub position: Option<usize>,
    /// Schema, table, column and constraint, where there are any.
    pub subject: Option<Box<Subject>>,
}

/// What a constraint's error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The table.
    pub table: Option<String>,
    /// The column.
    pub column: Option<String>,
    /// The constraint.
    pub constraint: Option<String>,
}

impl PgError {
    /// An error that leaves the session alive.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            detail: None,
            hint: None,
            position: None,
            subject: None,
        }
    }

    /// An error that ends the session.
    pub fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fatal,
            ..Self::new(code, message)
        }
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::new(code, message)
        }
    }

    /// A notice.
    pub fn notice(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Notice,
            ..Self::new(code, message)
        }
    }

    /// What PostgreSQL can do and this double cannot; `construct` names it.
    pub fn unsupported(construct: impl std::fmt::Display) -> Self {
        Self::new("0A000", format!("{construct} is not supported by pg-stub"))
    }

    /// A wire message that breaks the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::fatal("08P01", message)
    }

    /// Adds the DETAIL field.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the HINT field.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the position, unless a nearer one is known. Data exceptions have none: PostgreSQL meets
    /// them when the statement runs, and no longer knows where in its text it is.
    #[must_use]
    pub fn at(mut self, position: Option<usize>) -> Self {
        if self.position.is_none() && !self.code.starts_with("22") {
            self.position = position;
        }
        self
    }

    /// Adds the position of a literal that is no value of the type that its place wants.
    #[must_use]
    pub fn at_literal(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }

    /// Adds what the error is about.
    #[must_use]
    pub fn about(mut self, subject: Subject) -> Self {
        self.subject = Some(Box::new(subject));
        self
    }

    /// Whether the session ends with it.
    pub fn is_fatal(&self) -> bool {
        self.severity == Severity::Fatal
    }

    /// The fields of an ErrorResponse or NoticeResponse (manual, 55.8).
    pub fn fields(&self) -> Vec<(u8, String)> {
        let mut fields = vec![
            (b'S', self.severity.word().to_owned()),
            (b'V', self.severity.word().to_owned()),
            (b'C', self.code.to_owned()),
            (b'M', clean(&self.message)),
        ];
        let mut add = |tag, value: Option<&str>| {
            if let Some(value) = value {
                fields.push((tag, clean(value)));
            }
        };
        add(b'D', self.detail.as_deref());
        add(b'H', self.hint.as_deref());
        add(b'P', self.position.map(|p| p.to_string()).as_deref());
        if let Some(subject) = &self.subject {
            add(b's', subject.table.as_ref().map(|_| "public"));
            add(b't', subject.table.as_deref());
            add(b'c', subject.column.as_deref());
            add(b'n', subject.constraint.as_deref());
        }
        fields
    }
}

/// A C string on the wire ends at its first NUL.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}
