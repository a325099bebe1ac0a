//! Statements in which SQLite has no part: transactions, settings, roles, databases.

use sqlparser::ast::{
    AlterRoleOperation, ContextModifier, CreateRole, DiscardObject, Expr, ObjectName, ObjectType,
    Password, Reset, RoleOption, Set, Statement, TransactionAccessMode, TransactionIsolationLevel,
    TransactionMode, Value as Literal,
};

use super::{Translator, fold, name_parts, refuse, relation_name};
use crate::error::PgError;
use crate::settings;
use crate::sql::plan::{Action, Modes, RoleChange};
use crate::sql::types::{Column, Ty};
use crate::value::cast::How;

impl Translator<'_> {
    pub(super) fn utility(&mut self, statement: &Statement) -> Result<Action, PgError> {
        Ok(match statement {
            Statement::StartTransaction {
                modes: list,
                statements,
                modifier,
                ..
            } => {
                refuse(
                    !statements.is_empty() || modifier.is_some(),
                    "this kind of BEGIN",
                )?;
                Action::Begin(modes(list)?)
            }
            Statement::Commit {
                chain, modifier, ..
            } => {
                refuse(modifier.is_some(), "this kind of COMMIT")?;
                Action::Commit { chain: *chain }
            }
            Statement::Rollback {
                chain,
                savepoint: None,
            } => Action::Rollback { chain: *chain },
            Statement::Rollback {
                savepoint: Some(name),
                ..
            } => Action::RollbackTo(fold(name)),
            Statement::Savepoint { name } => Action::Savepoint(fold(name)),
            Statement::ReleaseSavepoint { name } => Action::Release(fold(name)),
            Statement::Set(set) => self.set(set)?,
            Statement::Reset(reset) => match &reset.reset {
                Reset::ALL => Action::Reset(None),
                Reset::ConfigurationParameter(name) => Action::Reset(Some(setting_name(name)?)),
                Reset::SessionAuthorization => Action::Nothing("RESET"),
            },
            Statement::ShowVariable { variable } => {
                let words: Vec<String> = variable.iter().map(fold).collect();
                show(&words.join("."), &words.join(" "))?
            }
            Statement::Discard {
                object_type: DiscardObject::ALL,
            } => Action::DiscardAll,
            Statement::Discard { object_type } => match object_type {
                DiscardObject::PLANS => Action::Nothing("DISCARD PLANS"),
                DiscardObject::SEQUENCES => Action::Nothing("DISCARD SEQUENCES"),
                _ => Action::Nothing("DISCARD TEMP"),
            },
            Statement::Deallocate { name, .. } => {
                let name = fold(name);
                Action::Deallocate((name != "all").then_some(name))
            }
            Statement::Prepare {
                name,
                data_types,
                statement,
            } => Action::Prepare {
                name: fold(name),
                types: data_types
                    .iter()
                    .map(|ty| self.data_type(ty).map(|(ty, _)| ty))
                    .collect::<Result<Vec<_>, _>>()?,
                statement: statement.clone(),
            },
            Statement::Execute {
                name: Some(name),
                parameters,
                immediate: false,
                into,
                using,
                ..
            } => {
                refuse(
                    !into.is_empty() || !using.is_empty(),
                    "EXECUTE … INTO or USING",
                )?;
                let mut arguments = Vec::new();
                for parameter in parameters {
                    let value = self.expression(parameter)?;
                    arguments.push(self.coerce(value, Ty::Text, -1, How::Explicit)?.sql);
                }
                Action::Execute {
                    name: relation_name(name)?,
                    arguments,
                }
            }
            Statement::Lock(lock) => {
                for target in &lock.tables {
                    let name = relation_name(&target.name)?;
                    if self.catalog.table(&name)?.is_none() {
                        return Err(PgError::new(
                            "42P01",
                            format!("relation \"{name}\" does not exist"),
                        ));
                    }
                }
                Action::Lock
            }
            Statement::CreateRole(create) => create_role(create)?,
            Statement::AlterRole { name, operation } => match operation {
                AlterRoleOperation::WithOptions { options } => {
                    let mut change = RoleChange {
                        name: fold(name),
                        ..RoleChange::default()
                    };
                    for option in options {
                        match option {
                            RoleOption::Login(v) => change.login = Some(*v),
                            RoleOption::SuperUser(v) => change.superuser = Some(*v),
                            RoleOption::Replication(v) => change.replication = Some(*v),
                            RoleOption::Password(p) => change.password = Some(password(p)?),
                            RoleOption::CreateDB(_)
                            | RoleOption::CreateRole(_)
                            | RoleOption::Inherit(_)
                            | RoleOption::BypassRLS(_) => {}
                            other => {
                                return Err(PgError::unsupported(format_args!(
                                    "the role option {other}"
                                )));
                            }
                        }
                    }
                    Action::AlterRole(change)
                }
                other => return Err(PgError::unsupported(format_args!("ALTER ROLE … {other}"))),
            },
            Statement::CreateDatabase { db_name, .. } => {
                Action::CreateDatabase(relation_name(db_name)?)
            }
            Statement::Drop {
                object_type: ObjectType::Database,
                if_exists,
                names,
                ..
            } => {
                let [name] = names.as_slice() else {
                    return Err(PgError::new("42601", "DROP DATABASE takes one name"));
                };
                Action::DropDatabase {
                    name: relation_name(name)?,
                    if_exists: *if_exists,
                }
            }
            Statement::Drop {
                object_type: ObjectType::Role | ObjectType::User,
                if_exists,
                names,
                ..
            } => Action::DropRole {
                names: names
                    .iter()
                    .map(relation_name)
                    .collect::<Result<Vec<_>, _>>()?,
                if_exists: *if_exists,
            },
            // There is one role's worth of rights here, one storage, and no plans worth keeping.
            Statement::Grant(_) => Action::Nothing("GRANT"),
            Statement::Revoke(_) => Action::Nothing("REVOKE"),
            Statement::Comment { .. } => Action::Nothing("COMMENT"),
            Statement::Vacuum(_) => Action::Nothing("VACUUM"),
            Statement::Analyze(_) => Action::Nothing("ANALYZE"),
            Statement::CreateSchema {
                schema_name,
                if_not_exists,
                ..
            } if *if_not_exists && schema_name.to_string() == "public" => {
                Action::Nothing("CREATE SCHEMA")
            }
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                return Err(PgError::unsupported(words.join(" ")));
            }
        })
    }

    fn set(&mut self, set: &Set) -> Result<Action, PgError> {
        Ok(match set {
            Set::SingleAssignment {
                scope,
                hivevar: false,
                variable,
                values,
            } => {
                let local = matches!(scope, Some(ContextModifier::Local));
                let name = setting_name(variable)?;
                let words = values.iter().map(word).collect::<Result<Vec<_>, _>>()?;
                let value = match words.as_slice() {
                    [one] if one.eq_ignore_ascii_case("default") && !quoted(&values[0]) => None,
                    words => Some(words.join(", ")),
                };
                if let Some(value) = &value {
                    settings::check(&name, value)?;
                } else if settings::find(&name).is_none() && !name.contains('.') {
                    return Err(settings::unknown(&name));
                }
                Action::Set { name, value, local }
            }
            Set::SetTimeZone { local, value } => {
                let value = word(value)?;
                if !value.eq_ignore_ascii_case("default") && !value.eq_ignore_ascii_case("local") {
                    settings::check("timezone", &value)?;
                }
                Action::Set {
                    name: "timezone".to_owned(),
                    value: None,
                    local: *local,
                }
            }
            Set::SetNames { charset_name, .. } => {
                let value = fold(charset_name);
                settings::check("client_encoding", &value)?;
                Action::Set {
                    name: "client_encoding".to_owned(),
                    value: None,
                    local: false,
                }
            }
            Set::SetTransaction {
                modes: list,
                snapshot: None,
                session,
            } => Action::SetTransaction {
                modes: modes(list)?,
                session: *session,
            },
            other => return Err(PgError::unsupported(other)),
        })
    }
}

fn setting_name(name: &ObjectName) -> Result<String, PgError> {
    Ok(name_parts(name)?.join("."))
}

fn quoted(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(value.value, Literal::SingleQuotedString(_)))
}

/// What stands on the right of SET.
fn word(expr: &Expr) -> Result<String, PgError> {
    Ok(match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        Expr::Value(value) => match &value.value {
            Literal::SingleQuotedString(text) | Literal::DoubleQuotedString(text) => text.clone(),
            Literal::Number(digits, _) => digits.clone(),
            Literal::Boolean(value) => value.to_string(),
            other => return Err(PgError::unsupported(format_args!("SET … TO {other}"))),
        },
        Expr::UnaryOp { .. } => expr.to_string().replace(' ', ""),
        other => return Err(PgError::unsupported(format_args!("SET … TO {other}"))),
    })
}

fn show(dotted: &str, spaced: &str) -> Result<Action, PgError> {
    let name = match spaced {
        "time zone" => "timezone",
        "transaction isolation level" => "transaction_isolation",
        "session authorization" => "session_authorization",
        _ => dotted,
    };
    let text = |name: &str| Column::new(name, Ty::Text);
    let columns = if name == "all" {
        vec![text("name"), text("setting"), text("description")]
    } else {
        let shown = settings::find(name).map_or(name, |s| s.name);
        vec![text(shown)]
    };
    Ok(Action::Show {
        name: name.to_owned(),
        columns,
    })
}

fn modes(list: &[TransactionMode]) -> Result<Modes, PgError> {
    let mut modes = Modes::default();
    for mode in list {
        match mode {
            TransactionMode::AccessMode(access) => {
                modes.read_only = Some(*access == TransactionAccessMode::ReadOnly);
            }
            TransactionMode::IsolationLevel(level) => {
                modes.snapshot = Some(match level {
                    TransactionIsolationLevel::ReadUncommitted
                    | TransactionIsolationLevel::ReadCommitted => false,
                    TransactionIsolationLevel::RepeatableRead
                    | TransactionIsolationLevel::Serializable => true,
                    TransactionIsolationLevel::Snapshot => {
                        return Err(PgError::new(
                            "42601",
                            "syntax error at or near \"SNAPSHOT\"",
                        ));
                    }
                });
            }
        }
    }
    Ok(modes)
}

fn password(password: &Password) -> Result<Option<String>, PgError> {
    match password {
        Password::NullPassword => Ok(None),
        Password::Password(expr) => word(expr).map(Some),
    }
}

fn create_role(create: &CreateRole) -> Result<Action, PgError> {
    refuse(
        !create.in_role.is_empty()
            || !create.in_group.is_empty()
            || !create.role.is_empty()
            || !create.user.is_empty()
            || !create.admin.is_empty(),
        "membership in roles",
    )?;
    let secret = create.password.as_ref().map(password).transpose()?;
    let mut roles = Vec::new();
    for name in &create.names {
        roles.push(RoleChange {
            name: relation_name(name)?,
            login: Some(create.login.unwrap_or(false)),
            superuser: Some(create.superuser.unwrap_or(false)),
            replication: Some(create.replication.unwrap_or(false)),
            password: secret.clone(),
        });
    }
    Ok(Action::CreateRole {
        roles,
        if_not_exists: create.if_not_exists,
    })
}
