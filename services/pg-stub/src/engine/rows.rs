//! Result rows, encoded as they leave SQLite and bounded in size.

use bytes::{BufMut, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::DataRow;
use rusqlite::types::ValueRef;

use crate::error::PgError;
use crate::sql::types::{Column, Ty};
use crate::value::{binary, text};

/// The most that one statement may answer with; beyond it 54000.
pub const RESULT_BYTES_MAX: usize = 64 << 20;

/// Text or binary, for one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Format code 0.
    Text,
    /// Format code 1.
    Binary,
}

/// Encoded DataRow messages and where each ends.
#[derive(Debug, Default)]
pub struct Rows {
    /// The messages, one after the other.
    pub data: BytesMut,
    /// The end of each in `data`.
    pub ends: Vec<usize>,
}

impl Rows {
    /// How many rows.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Appends a row whose values come from `value`.
    pub fn push<'v>(
        &mut self,
        columns: &[Column],
        formats: &[Format],
        mut value: impl FnMut(usize) -> Result<ValueRef<'v>, PgError>,
    ) -> Result<(), PgError> {
        let mut body = BytesMut::with_capacity(columns.len() * 16);
        for (i, column) in columns.iter().enumerate() {
            let format = formats.get(i).copied().unwrap_or(Format::Text);
            encode(column.ty, format, value(i)?, &mut body)?;
        }
        if self.data.len() + body.len() > RESULT_BYTES_MAX {
            return Err(
                PgError::new("54000", "the result of this statement is too large").detail(format!(
                    "pg-stub answers one statement with at most {RESULT_BYTES_MAX} bytes."
                )),
            );
        }
        DataRow::new(body, columns.len() as i16)
            .encode(&mut self.data)
            .map_err(|error| PgError::new("54000", error.to_string()))?;
        self.ends.push(self.data.len());
        Ok(())
    }
}

/// One field of a DataRow: its length, -1 for NULL, and its bytes.
fn encode(ty: Ty, format: Format, value: ValueRef<'_>, out: &mut BytesMut) -> Result<(), PgError> {
    if value == ValueRef::Null {
        out.put_i32(-1);
        return Ok(());
    }
    match format {
        Format::Text => {
            let mut field = String::new();
            text::write(ty, value, &mut field)?;
            out.put_i32(field.len() as i32);
            out.put_slice(field.as_bytes());
        }
        Format::Binary => {
            let mut field = Vec::new();
            binary::write(ty, value, &mut field)?;
            out.put_i32(field.len() as i32);
            out.put_slice(&field);
        }
    }
    Ok(())
}
