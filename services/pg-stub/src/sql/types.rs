//! The types that values have on the wire, and how each is stored in SQLite.
//!
//! Deliberately absent: composite, range, enum and domain types.

/// A PostgreSQL type, by its name in `pg_type`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ty {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Varchar,
    Bpchar,
    Name,
    /// `"char"`, one byte, in the catalogs.
    Char,
    Bytea,
    Timestamp,
    Timestamptz,
    Date,
    Time,
    Interval,
    Inet,
    Uuid,
    Json,
    Jsonb,
    Oid,
    Void,
    BoolArray,
    Int2Array,
    Int4Array,
    Int8Array,
    Float8Array,
    TextArray,
    VarcharArray,
    UuidArray,
    /// A literal or parameter whose type the context has not said yet.
    Unknown,
}

/// How SQLite holds a value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Booleans as 0 and 1; times as microseconds since 1970; dates as days since 1970.
    Integer,
    /// Floating-point numbers.
    Real,
    /// Numerics in canonical decimal form under the collation `pg_numeric`; arrays as JSON.
    Text,
    /// `bytea`.
    Blob,
}

struct Row(Ty, u32, &'static str, &'static str, i16, Storage);

use Storage::{Blob, Integer, Real, Text};
use Ty as T;

/// Type, OID, name in `pg_type`, name as `format_type` writes it, length, storage.
const TABLE: &[Row] = &[
    Row(T::Bool, 16, "bool", "boolean", 1, Integer),
    Row(T::Int2, 21, "int2", "smallint", 2, Integer),
    Row(T::Int4, 23, "int4", "integer", 4, Integer),
    Row(T::Int8, 20, "int8", "bigint", 8, Integer),
    Row(T::Float4, 700, "float4", "real", 4, Real),
    Row(T::Float8, 701, "float8", "double precision", 8, Real),
    Row(T::Numeric, 1700, "numeric", "numeric", -1, Text),
    Row(T::Text, 25, "text", "text", -1, Text),
    Row(T::Varchar, 1043, "varchar", "character varying", -1, Text),
    Row(T::Bpchar, 1042, "bpchar", "character", -1, Text),
    Row(T::Name, 19, "name", "name", 64, Text),
    Row(T::Char, 18, "char", "\"char\"", 1, Text),
    Row(T::Bytea, 17, "bytea", "bytea", -1, Blob),
    Row(
        T::Timestamp,
        1114,
        "timestamp",
        "timestamp without time zone",
        8,
        Integer,
    ),
    Row(
        T::Timestamptz,
        1184,
        "timestamptz",
        "timestamp with time zone",
        8,
        Integer,
    ),
    Row(T::Date, 1082, "date", "date", 4, Integer),
    Row(T::Time, 1083, "time", "time without time zone", 8, Integer),
    Row(T::Interval, 1186, "interval", "interval", 16, Integer),
    Row(T::Inet, 869, "inet", "inet", -1, Text),
    Row(T::Uuid, 2950, "uuid", "uuid", 16, Text),
    Row(T::Json, 114, "json", "json", -1, Text),
    Row(T::Jsonb, 3802, "jsonb", "jsonb", -1, Text),
    Row(T::Oid, 26, "oid", "oid", 4, Integer),
    Row(T::Void, 2278, "void", "void", 4, Text),
    Row(T::BoolArray, 1000, "_bool", "boolean[]", -1, Text),
    Row(T::Int2Array, 1005, "_int2", "smallint[]", -1, Text),
    Row(T::Int4Array, 1007, "_int4", "integer[]", -1, Text),
    Row(T::Int8Array, 1016, "_int8", "bigint[]", -1, Text),
    Row(
        T::Float8Array,
        1022,
        "_float8",
        "double precision[]",
        -1,
        Text,
    ),
    Row(T::TextArray, 1009, "_text", "text[]", -1, Text),
    Row(
        T::VarcharArray,
        1015,
        "_varchar",
        "character varying[]",
        -1,
        Text,
    ),
    Row(T::UuidArray, 2951, "_uuid", "uuid[]", -1, Text),
    Row(T::Unknown, 705, "unknown", "unknown", -2, Text),
];

impl Ty {
    fn row(self) -> &'static Row {
        TABLE
            .iter()
            .find(|row| row.0 == self)
            .expect("the table has a row for every type")
    }

    /// Every type, for `pg_type`.
    pub fn all() -> impl Iterator<Item = Ty> {
        TABLE.iter().map(|row| row.0)
    }

    /// The type with this OID.
    pub fn from_oid(oid: u32) -> Option<Ty> {
        TABLE.iter().find(|row| row.1 == oid).map(|row| row.0)
    }

    /// The type with this name in `pg_type` (`int4`).
    pub fn from_name(name: &str) -> Option<Ty> {
        TABLE.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    /// `pg_type.oid`.
    pub fn oid(self) -> u32 {
        self.row().1
    }

    /// `pg_type.typname`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// The name that error messages use.
    pub fn sql_name(self) -> &'static str {
        self.row().3
    }

    /// `pg_type.typlen`.
    pub fn length(self) -> i16 {
        self.row().4
    }

    /// How SQLite holds it.
    pub fn storage(self) -> Storage {
        self.row().5
    }

    /// `pg_type.typcategory`.
    pub fn category(self) -> char {
        match self {
            T::Bool => 'B',
            _ if self.is_number() || self == T::Oid => 'N',
            _ if self.is_string() => 'S',
            T::Timestamp | T::Timestamptz | T::Date | T::Time => 'D',
            T::Interval => 'T',
            T::Inet => 'I',
            T::Void => 'P',
            T::Unknown => 'X',
            T::Char => 'Z',
            _ if self.element().is_some() => 'A',
            _ => 'U',
        }
    }

    /// The element of an array type.
    pub fn element(self) -> Option<Ty> {
        Some(match self {
            T::BoolArray => T::Bool,
            T::Int2Array => T::Int2,
            T::Int4Array => T::Int4,
            T::Int8Array => T::Int8,
            T::Float8Array => T::Float8,
            T::TextArray => T::Text,
            T::VarcharArray => T::Varchar,
            T::UuidArray => T::Uuid,
            _ => return None,
        })
    }

    /// The array type with this element.
    pub fn array(self) -> Option<Ty> {
        Self::all().find(|ty| ty.element() == Some(self))
    }

    /// Whole numbers.
    pub fn is_integer(self) -> bool {
        matches!(self, T::Int2 | T::Int4 | T::Int8)
    }

    /// Anything that arithmetic takes.
    pub fn is_number(self) -> bool {
        self.is_integer() || matches!(self, T::Float4 | T::Float8 | T::Numeric)
    }

    /// Character strings.
    pub fn is_string(self) -> bool {
        matches!(self, T::Text | T::Varchar | T::Bpchar | T::Name | T::Char)
    }

    /// Times that have a date.
    pub fn is_datetime(self) -> bool {
        matches!(self, T::Timestamp | T::Timestamptz | T::Date)
    }

    fn number_rank(self) -> u8 {
        match self {
            T::Int2 => 1,
            T::Int4 => 2,
            T::Int8 => 3,
            T::Numeric => 4,
            T::Float4 => 5,
            _ => 6,
        }
    }

    /// The type in which an operator takes two different types (manual, 10.2), or `None`.
    pub fn common(self, other: Ty) -> Option<Ty> {
        if self == other {
            return Some(self);
        }
        if self.is_number() && other.is_number() {
            let higher = if self.number_rank() > other.number_rank() {
                self
            } else {
                other
            };
            // Real and anything but real meet in double precision.
            return Some(if higher == T::Float4 {
                T::Float8
            } else {
                higher
            });
        }
        if self.is_string() && other.is_string() {
            return Some(T::Text);
        }
        if self.is_datetime() && other.is_datetime() {
            return Some(if self == T::Timestamptz || other == T::Timestamptz {
                T::Timestamptz
            } else {
                T::Timestamp
            });
        }
        match (self, other) {
            (T::Oid, o) if o.is_integer() => Some(T::Oid),
            (s, T::Oid) if s.is_integer() => Some(T::Oid),
            _ => None,
        }
    }
}

/// A column of a result or a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Ty,
    /// `atttypmod`: length plus 4 of varchar(n), packed precision and scale of numeric, else -1.
    pub typmod: i32,
}

impl Column {
    /// A column without a type modifier.
    pub fn new(name: impl Into<String>, ty: Ty) -> Self {
        Self {
            name: name.into(),
            ty,
            typmod: -1,
        }
    }
}

/// A type as `format_type` writes it.
pub fn format_type(ty: Ty, typmod: i32) -> String {
    match ty {
        T::Varchar | T::Bpchar if typmod >= 4 => format!("{}({})", ty.sql_name(), typmod - 4),
        T::Numeric if typmod >= 4 => {
            let packed = typmod - 4;
            format!("numeric({},{})", packed >> 16, packed & 0x7ff)
        }
        _ => ty.sql_name().to_owned(),
    }
}
