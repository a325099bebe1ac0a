//! DROP of tables, indexes, views and sequences.

use sqlparser::ast::{ObjectName, ObjectType};

use super::plan;
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::plan::{Action, Effect};
use crate::sql::translate::{Translator, name_parts};

impl Translator<'_> {
    /// `None` for any other kind of object.
    pub(super) fn drop(
        &mut self,
        object: ObjectType,
        if_exists: bool,
        names: &[ObjectName],
    ) -> Result<Option<Action>, PgError> {
        let (kind, tag) = match object {
            ObjectType::Table => ("table", "DROP TABLE"),
            ObjectType::Index => ("index", "DROP INDEX"),
            ObjectType::View => ("view", "DROP VIEW"),
            ObjectType::Sequence => ("sequence", "DROP SEQUENCE"),
            _ => return Ok(None),
        };
        let mut plans = Vec::new();
        let mut effects = Vec::new();
        let mut notice = None;
        for name in names {
            let parts = name_parts(name)?;
            let name = parts.last().cloned().unwrap_or_default();
            let there = match object {
                ObjectType::Table => self.catalog.table(&name)?.is_some(),
                ObjectType::Index => self.catalog.index_exists(&name)?,
                ObjectType::View => self.catalog.view(&name)?.is_some(),
                _ => self.catalog.sequence_exists(&name),
            };
            if !there {
                let message = format!("{kind} \"{name}\" does not exist");
                if if_exists {
                    notice = Some(PgError::notice("00000", message + ", skipping"));
                    continue;
                }
                let code = if object == ObjectType::Index {
                    "42704"
                } else {
                    "42P01"
                };
                return Err(PgError::new(code, message));
            }
            match object {
                ObjectType::Table => {
                    plans.push(plan(format!("DROP TABLE {}", quote(&name)), Some(&name)));
                    effects.push(Effect::DropOwnedSequences(name));
                }
                ObjectType::Index => plans.push(plan(format!("DROP INDEX {}", quote(&name)), None)),
                ObjectType::View => plans.push(plan(
                    format!(
                        "DELETE FROM _squall_view WHERE name = '{}'",
                        name.replace('\'', "''")
                    ),
                    None,
                )),
                _ => effects.push(Effect::DropSequence(name)),
            }
        }
        Ok(Some(Action::Schema {
            plans,
            tag,
            effects,
            notice,
        }))
    }
}
