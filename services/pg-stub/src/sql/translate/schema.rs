//! CREATE, ALTER, DROP and TRUNCATE.

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, ColumnOption, CreateIndex, CreateTable, DataType, Expr,
    ForeignKeyConstraint, GeneratedAs, IndexColumn, IndexType, ObjectName, ObjectType,
    ReferentialAction, RenameTableNameKind, SequenceOptions, Statement, TableConstraint,
    TruncateIdentityOption, UnaryOperator, Value as Literal,
};

use super::{Scope, ScopeItem, Translator, fold, name_parts, quoted_list, refuse, relation_name};
use crate::engine::database::truncate_sql;
use crate::engine::record::quote;
use crate::engine::store::declare;
use crate::error::PgError;
use crate::sql::plan::{Action, Effect, Plan, PlanKind};
use crate::sql::types::{Column, Ty};
use crate::value::cast::How;

impl Translator<'_> {
    /// The action of a statement that changes the schema, or `None` for any other.
    pub(super) fn schema(&mut self, statement: &Statement) -> Result<Option<Action>, PgError> {
        self.cacheable = false;
        Ok(Some(match statement {
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::CreateIndex(create) => self.create_index(create)?,
            Statement::CreateView(create) => {
                refuse(
                    create.materialized || create.temporary,
                    "a materialized or temporary view",
                )?;
                self.create_view(create)?
            }
            Statement::CreateSequence {
                temporary,
                if_not_exists,
                name,
                sequence_options,
                ..
            } => {
                refuse(*temporary, "a temporary sequence")?;
                self.create_sequence(name, *if_not_exists, sequence_options)?
            }
            Statement::AlterTable(alter) => {
                self.alter_table(&alter.name, alter.if_exists, &alter.operations)?
            }
            Statement::Drop {
                object_type,
                if_exists,
                names,
                ..
            } => match self.drop(*object_type, *if_exists, names)? {
                Some(action) => action,
                None => return Ok(None),
            },
            Statement::Truncate(truncate) => {
                refuse(truncate.partitions.is_some(), "TRUNCATE of partitions")?;
                let mut plans = Vec::new();
                let mut effects = Vec::new();
                for target in &truncate.table_names {
                    let name = relation_name(&target.name)?;
                    let table = self.existing(&name)?;
                    plans.push(plan(truncate_sql(&table), Some(&table)));
                    if truncate.identity == Some(TruncateIdentityOption::Restart) {
                        effects.push(Effect::RestartSequences(table));
                    }
                }
                done(plans, "TRUNCATE TABLE", effects)
            }
            _ => return Ok(None),
        }))
    }

    fn existing(&mut self, name: &str) -> Result<String, PgError> {
        match self.catalog.table(name)? {
            Some(table) => Ok(table.name.clone()),
            None => Err(PgError::new(
                "42P01",
                format!("relation \"{name}\" does not exist"),
            )),
        }
    }

    /// Whether a relation of any kind has this name.
    fn taken(&self, name: &str) -> Result<bool, PgError> {
        Ok(self.catalog.table(name)?.is_some()
            || self.catalog.view(name)?.is_some()
            || self.catalog.index_exists(name)?
            || self.catalog.sequence_exists(name))
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<Action, PgError> {
        refuse(create.temporary, "a temporary table")?;
        refuse(
            create.or_replace || create.external || create.without_rowid || create.strict,
            "this kind of CREATE TABLE",
        )?;
        refuse(create.query.is_some(), "CREATE TABLE AS")?;
        refuse(
            create.like.is_some() || create.clone.is_some(),
            "CREATE TABLE LIKE",
        )?;
        refuse(
            create.inherits.is_some()
                || create.partition_by.is_some()
                || create.partition_of.is_some(),
            "inheritance and partitions",
        )?;
        let name = relation_name(&create.name)?;
        check_name(&name)?;
        if self.taken(&name)? {
            let message = format!("relation \"{name}\" already exists");
            if create.if_not_exists {
                return Ok(Action::Schema {
                    plans: Vec::new(),
                    tag: "CREATE TABLE",
                    effects: Vec::new(),
                    notice: Some(PgError::notice("42P07", message + ", skipping")),
                });
            }
            return Err(PgError::new("42P07", message));
        }
        let mut table = Draft {
            name: name.clone(),
            ..Draft::default()
        };
        for column in &create.columns {
            let column = self.column(&mut table, column)?;
            if table.columns.iter().any(|c| c.name == column.name) {
                return Err(PgError::new(
                    "42701",
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            table.columns.push(column);
        }
        // Checks see all columns, so they come after them.
        for (constraint, expr) in std::mem::take(&mut table.checks) {
            let sql = self.check(&table, &expr)?;
            table
                .constraints
                .push(format!("CONSTRAINT {} CHECK {sql}", quote(&constraint)));
        }
        for constraint in &create.constraints {
            self.table_constraint(&mut table, constraint)?;
        }
        let mut parts: Vec<String> = table
            .columns
            .iter()
            .map(|c| {
                let key = table.primary_key.contains(&c.name);
                format!(
                    "{} {}{}{}",
                    quote(&c.name),
                    declare(c.ty, c.typmod),
                    if c.not_null || key { " NOT NULL" } else { "" },
                    c.default
                        .as_ref()
                        .map(|d| format!(" DEFAULT ({d})"))
                        .unwrap_or_default(),
                )
            })
            .collect();
        for key in &table.primary_key {
            if !table.columns.iter().any(|c| c.name == *key) {
                return Err(PgError::new(
                    "42703",
                    format!("column \"{key}\" named in key does not exist"),
                ));
            }
        }
        if !table.primary_key.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", quoted_list(&table.primary_key)));
        }
        parts.extend(table.constraints);
        let mut plans = vec![plan(
            format!("CREATE TABLE {} ({})", quote(&name), parts.join(", ")),
            Some(&name),
        )];
        for (index, columns) in &table.unique {
            plans.push(plan(
                format!(
                    "CREATE UNIQUE INDEX {} ON {} ({})",
                    quote(index),
                    quote(&name),
                    quoted_list(columns)
                ),
                Some(&name),
            ));
        }
        let effects = table
            .sequences
            .into_iter()
            .map(|sequence| Effect::CreateSequence(sequence, 1, 1))
            .collect();
        Ok(done(plans, "CREATE TABLE", effects))
    }

    fn column(&mut self, table: &mut Draft, column: &ColumnDef) -> Result<DraftColumn, PgError> {
        let name = fold(&column.name);
        check_name(&name)?;
        let serial = match &column.data_type {
            DataType::Custom(word, _) => match word.to_string().to_lowercase().as_str() {
                "serial" | "serial4" => Some(Ty::Int4),
                "bigserial" | "serial8" => Some(Ty::Int8),
                "smallserial" | "serial2" => Some(Ty::Int2),
                _ => None,
            },
            _ => None,
        };
        let (ty, typmod) = match serial {
            Some(ty) => (ty, -1),
            None => self.data_type(&column.data_type)?,
        };
        let mut draft = DraftColumn {
            name: name.clone(),
            ty,
            typmod,
            not_null: serial.is_some(),
            default: None,
        };
        let sequence = format!("{}_{name}_seq", table.name);
        if serial.is_some() {
            draft.default = Some(format!("pg_nextval('{}')", sequence.replace('\'', "''")));
            table.sequences.push(sequence.clone());
        }
        for option in &column.options {
            let named = option.name.as_ref().map(fold);
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => draft.not_null = true,
                ColumnOption::Default(expr) => draft.default = Some(self.default(expr, &draft)?),
                ColumnOption::PrimaryKey(_) => {
                    if !table.primary_key.is_empty() {
                        return Err(two_keys(&table.name));
                    }
                    table.primary_key = vec![name.clone()];
                }
                ColumnOption::Unique(_) => {
                    let index = named.unwrap_or_else(|| format!("{}_{name}_key", table.name));
                    table.unique.push((index, vec![name.clone()]));
                }
                ColumnOption::Check(check) => {
                    let constraint =
                        named.unwrap_or_else(|| format!("{}_{name}_check", table.name));
                    table.checks.push((constraint, (*check.expr).clone()));
                }
                ColumnOption::ForeignKey(key) => {
                    let sql = self.foreign_key(table, std::slice::from_ref(&name), key)?;
                    table.constraints.push(sql);
                }
                ColumnOption::Generated {
                    generated_as,
                    generation_expr: None,
                    ..
                } if *generated_as != GeneratedAs::ExpStored => {
                    draft.not_null = true;
                    draft.default = Some(format!("pg_nextval('{}')", sequence.replace('\'', "''")));
                    table.sequences.push(sequence.clone());
                }
                ColumnOption::Collation(_) => {}
                other => {
                    return Err(PgError::unsupported(format_args!(
                        "the column option {other}"
                    )));
                }
            }
        }
        Ok(draft)
    }

    fn default(&mut self, expr: &Expr, column: &DraftColumn) -> Result<String, PgError> {
        let value = self.expression(expr)?;
        Ok(self
            .coerce(value, column.ty, column.typmod, How::Assignment)?
            .sql)
    }

    /// A CHECK's expression; SQLite's has plain column names.
    fn check(&mut self, table: &Draft, expr: &Expr) -> Result<String, PgError> {
        let columns = table
            .columns
            .iter()
            .map(|c| super::ScopeColumn {
                column: Column {
                    name: c.name.clone(),
                    ty: c.ty,
                    typmod: c.typmod,
                },
                physical: c.name.clone(),
            })
            .collect();
        self.scopes.push(Scope {
            items: vec![ScopeItem {
                alias: table.name.clone(),
                columns,
                merged: Vec::new(),
                bare: true,
            }],
        });
        let value = self.expression(expr);
        self.scopes.pop();
        let value = self.boolean(value?, "CHECK")?;
        Ok(format!("({})", value.sql))
    }

    fn table_constraint(
        &mut self,
        table: &mut Draft,
        constraint: &TableConstraint,
    ) -> Result<(), PgError> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                if !table.primary_key.is_empty() {
                    return Err(two_keys(&table.name));
                }
                table.primary_key = index_columns(&key.columns)?;
            }
            TableConstraint::Unique(unique) => {
                let columns = index_columns(&unique.columns)?;
                let name = unique
                    .name
                    .as_ref()
                    .map(fold)
                    .unwrap_or_else(|| format!("{}_{}_key", table.name, columns.join("_")));
                table.unique.push((name, columns));
            }
            TableConstraint::Check(check) => {
                let name = check
                    .name
                    .as_ref()
                    .map(fold)
                    .unwrap_or_else(|| format!("{}_check", table.name));
                let sql = self.check(table, &check.expr)?;
                table
                    .constraints
                    .push(format!("CONSTRAINT {} CHECK {sql}", quote(&name)));
            }
            TableConstraint::ForeignKey(key) => {
                let columns: Vec<String> = key.columns.iter().map(fold).collect();
                let sql = self.foreign_key(table, &columns, key)?;
                table.constraints.push(sql);
            }
            other => return Err(PgError::unsupported(format_args!("the constraint {other}"))),
        }
        Ok(())
    }

    fn foreign_key(
        &mut self,
        table: &Draft,
        columns: &[String],
        key: &ForeignKeyConstraint,
    ) -> Result<String, PgError> {
        let parent = relation_name(&key.foreign_table)?;
        let mut referred: Vec<String> = key.referred_columns.iter().map(fold).collect();
        if referred.is_empty() {
            referred = if parent == table.name {
                table.primary_key.clone()
            } else {
                match self.catalog.table(&parent)? {
                    Some(found) => found.primary_key.clone(),
                    None => {
                        return Err(PgError::new(
                            "42P01",
                            format!("relation \"{parent}\" does not exist"),
                        ));
                    }
                }
            };
            if referred.is_empty() {
                return Err(PgError::new(
                    "42704",
                    format!("there is no primary key for referenced table \"{parent}\""),
                ));
            }
        }
        let action = |action: &Option<ReferentialAction>| match action {
            None | Some(ReferentialAction::NoAction) => "NO ACTION",
            Some(ReferentialAction::Restrict) => "RESTRICT",
            Some(ReferentialAction::Cascade) => "CASCADE",
            Some(ReferentialAction::SetNull) => "SET NULL",
            Some(ReferentialAction::SetDefault) => "SET DEFAULT",
        };
        let deferred = match &key.characteristics {
            Some(c) if c.initially == Some(sqlparser::ast::DeferrableInitial::Deferred) => {
                " DEFERRABLE INITIALLY DEFERRED"
            }
            _ => "",
        };
        Ok(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}{deferred}",
            quoted_list(columns),
            quote(&parent),
            quoted_list(&referred),
            action(&key.on_delete),
            action(&key.on_update)
        ))
    }

    fn create_index(&mut self, create: &CreateIndex) -> Result<Action, PgError> {
        refuse(!create.include.is_empty(), "CREATE INDEX … INCLUDE")?;
        if !matches!(
            create.using,
            None | Some(IndexType::BTree | IndexType::Hash)
        ) {
            return Err(PgError::unsupported(
                "an index that is neither btree nor hash",
            ));
        }
        let relation = relation_name(&create.table_name)?;
        let table = self.existing(&relation)?;
        let found = self.catalog.table(&table)?;
        let mut draft = Draft {
            name: table.clone(),
            ..Draft::default()
        };
        for column in found.iter().flat_map(|t| &t.columns) {
            draft.columns.push(DraftColumn {
                name: column.column.name.clone(),
                ty: column.column.ty,
                typmod: column.column.typmod,
                not_null: false,
                default: None,
            });
        }
        let mut terms = Vec::new();
        let mut words = Vec::new();
        for column in &create.columns {
            let sql = match &column.column.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    if !draft.columns.iter().any(|c| c.name == name) {
                        return Err(PgError::new(
                            "42703",
                            format!("column \"{name}\" does not exist"),
                        ));
                    }
                    words.push(name.clone());
                    quote(&name)
                }
                expr => {
                    words.push("expr".to_owned());
                    self.index_expression(&draft, expr)?
                }
            };
            terms.push(sql);
        }
        let name = match &create.name {
            Some(name) => relation_name(name)?,
            None => format!("{table}_{}_idx", words.join("_")),
        };
        if self.taken(&name)? {
            let message = format!("relation \"{name}\" already exists");
            if create.if_not_exists {
                return Ok(Action::Schema {
                    plans: Vec::new(),
                    tag: "CREATE INDEX",
                    effects: Vec::new(),
                    notice: Some(PgError::notice("42P07", message + ", skipping")),
                });
            }
            return Err(PgError::new("42P07", message));
        }
        let filter = match &create.predicate {
            None => String::new(),
            Some(predicate) => format!(" WHERE {}", self.check(&draft, predicate)?),
        };
        let unique = if create.unique { "UNIQUE " } else { "" };
        Ok(done(
            vec![plan(
                format!(
                    "CREATE {unique}INDEX {} ON {} ({}){filter}",
                    quote(&name),
                    quote(&table),
                    terms.join(", ")
                ),
                Some(&table),
            )],
            "CREATE INDEX",
            Vec::new(),
        ))
    }

    fn index_expression(&mut self, table: &Draft, expr: &Expr) -> Result<String, PgError> {
        let columns = table
            .columns
            .iter()
            .map(|c| super::ScopeColumn {
                column: Column {
                    name: c.name.clone(),
                    ty: c.ty,
                    typmod: c.typmod,
                },
                physical: c.name.clone(),
            })
            .collect();
        self.scopes.push(Scope {
            items: vec![ScopeItem {
                alias: table.name.clone(),
                columns,
                merged: Vec::new(),
                bare: true,
            }],
        });
        let value = self.expression(expr);
        self.scopes.pop();
        Ok(value?.sql)
    }

    fn create_view(&mut self, create: &sqlparser::ast::CreateView) -> Result<Action, PgError> {
        let name = relation_name(&create.name)?;
        refuse(
            !create.columns.is_empty(),
            "a view with column names of its own",
        )?;
        // Whatever is wrong with the definition is said now.
        self.query(&create.query)?;
        let exists = self.catalog.view(&name)?.is_some();
        if !(exists && create.or_replace) && self.taken(&name)? {
            return Err(PgError::new(
                "42P07",
                format!("relation \"{name}\" already exists"),
            ));
        }
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        Ok(done(
            vec![plan(
                format!(
                    "INSERT OR REPLACE INTO _squall_view VALUES ({}, {})",
                    text(&name),
                    text(&create.query.to_string())
                ),
                None,
            )],
            "CREATE VIEW",
            Vec::new(),
        ))
    }

    fn create_sequence(
        &mut self,
        name: &ObjectName,
        if_not_exists: bool,
        options: &[SequenceOptions],
    ) -> Result<Action, PgError> {
        let name = relation_name(name)?;
        if self.taken(&name)? && !if_not_exists {
            return Err(PgError::new(
                "42P07",
                format!("relation \"{name}\" already exists"),
            ));
        }
        let (mut start, mut increment) = (1, 1);
        for option in options {
            match option {
                SequenceOptions::StartWith(expr, _) => start = constant(expr)?,
                SequenceOptions::IncrementBy(expr, _) => increment = constant(expr)?,
                SequenceOptions::Cache(_) | SequenceOptions::Cycle(true) => {}
                SequenceOptions::MinValue(None) | SequenceOptions::MaxValue(None) => {}
                other => {
                    return Err(PgError::unsupported(format_args!(
                        "the sequence option{other}"
                    )));
                }
            }
        }
        Ok(done(
            Vec::new(),
            "CREATE SEQUENCE",
            vec![Effect::CreateSequence(name, start, increment)],
        ))
    }

    fn alter_table(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        operations: &[AlterTableOperation],
    ) -> Result<Action, PgError> {
        let name = relation_name(name)?;
        let Some(table) = self.catalog.table(&name)? else {
            let message = format!("relation \"{name}\" does not exist");
            if if_exists {
                return Ok(Action::Schema {
                    plans: Vec::new(),
                    tag: "ALTER TABLE",
                    effects: Vec::new(),
                    notice: Some(PgError::notice("00000", message + ", skipping")),
                });
            }
            return Err(PgError::new("42P01", message));
        };
        let alter = format!("ALTER TABLE {}", quote(&name));
        let mut plans = Vec::new();
        let mut effects = Vec::new();
        for operation in operations {
            match operation {
                AlterTableOperation::AddColumn {
                    column_def,
                    if_not_exists,
                    ..
                } => {
                    let mut draft = Draft {
                        name: name.clone(),
                        ..Draft::default()
                    };
                    let column = self.column(&mut draft, column_def)?;
                    if table.columns.iter().any(|c| c.column.name == column.name) {
                        if *if_not_exists {
                            continue;
                        }
                        return Err(PgError::new(
                            "42701",
                            format!(
                                "column \"{}\" of relation \"{name}\" already exists",
                                column.name
                            ),
                        ));
                    }
                    refuse(
                        !draft.primary_key.is_empty()
                            || !draft.constraints.is_empty()
                            || !draft.checks.is_empty()
                            || !draft.sequences.is_empty(),
                        "ADD COLUMN with a key, a check or a sequence",
                    )?;
                    plans.push(plan(
                        format!(
                            "{alter} ADD COLUMN {} {}{}{}",
                            quote(&column.name),
                            declare(column.ty, column.typmod),
                            if column.not_null { " NOT NULL" } else { "" },
                            column
                                .default
                                .map(|d| format!(" DEFAULT {d}"))
                                .unwrap_or_default(),
                        ),
                        Some(&name),
                    ));
                    for (index, columns) in &draft.unique {
                        plans.push(plan(
                            format!(
                                "CREATE UNIQUE INDEX {} ON {} ({})",
                                quote(index),
                                quote(&name),
                                quoted_list(columns)
                            ),
                            Some(&name),
                        ));
                    }
                }
                AlterTableOperation::DropColumn {
                    column_names,
                    if_exists,
                    ..
                } => {
                    for column in column_names {
                        let column = fold(column);
                        if !table.columns.iter().any(|c| c.column.name == column) {
                            if *if_exists {
                                continue;
                            }
                            return Err(PgError::new(
                                "42703",
                                format!(
                                    "column \"{column}\" of relation \"{name}\" does not exist"
                                ),
                            ));
                        }
                        plans.push(plan(
                            format!("{alter} DROP COLUMN {}", quote(&column)),
                            Some(&name),
                        ));
                    }
                }
                AlterTableOperation::RenameColumn {
                    old_column_name,
                    new_column_name,
                } => {
                    let new = fold(new_column_name);
                    check_name(&new)?;
                    plans.push(plan(
                        format!(
                            "{alter} RENAME COLUMN {} TO {}",
                            quote(&fold(old_column_name)),
                            quote(&new)
                        ),
                        Some(&name),
                    ));
                }
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::To(new),
                } => {
                    let new = relation_name(new)?;
                    check_name(&new)?;
                    if self.taken(&new)? {
                        return Err(PgError::new(
                            "42P07",
                            format!("relation \"{new}\" already exists"),
                        ));
                    }
                    plans.push(plan(
                        format!("{alter} RENAME TO {}", quote(&new)),
                        Some(&name),
                    ));
                }
                AlterTableOperation::AddConstraint { constraint, .. } => {
                    let (index, columns) = match constraint {
                        TableConstraint::Unique(unique) => {
                            let columns = index_columns(&unique.columns)?;
                            let index = unique
                                .name
                                .as_ref()
                                .map(fold)
                                .unwrap_or_else(|| format!("{name}_{}_key", columns.join("_")));
                            (index, columns)
                        }
                        // NOT NULL cannot be added to a column of SQLite's; the key is unique.
                        TableConstraint::PrimaryKey(key) => {
                            (format!("{name}_pkey"), index_columns(&key.columns)?)
                        }
                        other => {
                            return Err(PgError::unsupported(format_args!(
                                "ALTER TABLE … ADD {other}"
                            )));
                        }
                    };
                    plans.push(plan(
                        format!(
                            "CREATE UNIQUE INDEX {} ON {} ({})",
                            quote(&index),
                            quote(&name),
                            quoted_list(&columns)
                        ),
                        Some(&name),
                    ));
                }
                AlterTableOperation::DropConstraint {
                    name: constraint, ..
                } => {
                    plans.push(plan(
                        format!("DROP INDEX {}", quote(&fold(constraint))),
                        Some(&name),
                    ));
                }
                AlterTableOperation::OwnerTo { .. } => {}
                other => return Err(PgError::unsupported(format_args!("ALTER TABLE … {other}"))),
            }
        }
        effects.retain(|_: &Effect| true);
        Ok(done(plans, "ALTER TABLE", effects))
    }

    fn drop(
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

/// A table while it is being written down.
#[derive(Default)]
struct Draft {
    name: String,
    columns: Vec<DraftColumn>,
    primary_key: Vec<String>,
    unique: Vec<(String, Vec<String>)>,
    checks: Vec<(String, Expr)>,
    constraints: Vec<String>,
    sequences: Vec<String>,
}

struct DraftColumn {
    name: String,
    ty: Ty,
    typmod: i32,
    not_null: bool,
    default: Option<String>,
}

fn plan(sql: String, table: Option<&str>) -> Plan {
    Plan {
        sql,
        columns: Vec::new(),
        kind: PlanKind::Schema,
        table: table.map(str::to_owned),
    }
}

fn done(plans: Vec<Plan>, tag: &'static str, effects: Vec<Effect>) -> Action {
    Action::Schema {
        plans,
        tag,
        effects,
        notice: None,
    }
}

fn two_keys(table: &str) -> PgError {
    PgError::new(
        "42P16",
        format!("multiple primary keys for table \"{table}\" are not allowed"),
    )
}

/// Names that the engine keeps for itself.
fn check_name(name: &str) -> Result<(), PgError> {
    if name.starts_with("sqlite_") || name.starts_with("_squall_") || name == "_rowid_" {
        return Err(PgError::unsupported(format_args!("the name \"{name}\"")));
    }
    if name.is_empty() {
        return Err(PgError::new("42601", "zero-length delimited identifier"));
    }
    Ok(())
}

fn index_columns(columns: &[IndexColumn]) -> Result<Vec<String>, PgError> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(fold(ident)),
            other => Err(PgError::unsupported(format_args!("the key {other}"))),
        })
        .collect()
}

fn constant(expr: &Expr) -> Result<i64, PgError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => return constant(expr).map(|n| -n),
        _ => None,
    }
    .ok_or_else(|| PgError::unsupported(format_args!("the number {expr}")))
}
