//! All rows of one account, out of their tables and into them, as JSON: every column by its name, whatever the table. An instant is
//! a number, bytes are base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ColumnType, ConnectionTrait, EntityTrait, IntoActiveModel, Iterable, ModelTrait,
    PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect, Value as Stored,
};
use serde_json::{Map, Value, json};
use tenantry_domain::{AccountId, Error, Result};
use tenantry_entity as entity;
use uuid::Uuid;

use super::{Tx, corrupt, inserts, storage};

/// A row, by the names of its columns.
pub(crate) type Row = Map<String, Value>;

/// How many rows are read and written at a time.
pub(crate) const PAGE: u64 = 500;

/// The tables that an account takes along, in the order in which they are written. What is not here lives for minutes, or is worth
/// nothing elsewhere: sessions, challenges, attempts, messages, answers that are kept to be repeated.
pub(crate) const TAKEN: [&str; 18] = [
    "account",
    "client",
    "client_grant",
    "role",
    "member",
    "signing_key",
    "tag",
    "terms",
    "event",
    "auth_user",
    "customer",
    "customer_attribute",
    "customer_tag",
    "customer_token",
    "token_pair",
    "token_event",
    "installer",
    "installer_terms",
];

/// What a table's rows are called in the file and which entity they are.
macro_rules! of {
    ($table:expr, $run:ident ( $($argument:expr),* )) => {
        match $table {
            "client" => $run::<entity::client::Entity>($($argument),*).await,
            "client_grant" => $run::<entity::grant::Entity>($($argument),*).await,
            "role" => $run::<entity::role::Entity>($($argument),*).await,
            "member" => $run::<entity::member::Entity>($($argument),*).await,
            "signing_key" => $run::<entity::key::Entity>($($argument),*).await,
            "tag" => $run::<entity::tag::Entity>($($argument),*).await,
            "terms" => $run::<entity::terms::Entity>($($argument),*).await,
            "event" => $run::<entity::event::Entity>($($argument),*).await,
            "auth_user" => $run::<entity::auth_user::Entity>($($argument),*).await,
            "customer" => $run::<entity::customer::Entity>($($argument),*).await,
            "customer_attribute" => $run::<entity::customer_attribute::Entity>($($argument),*).await,
            "customer_tag" => $run::<entity::customer_tag::Entity>($($argument),*).await,
            "customer_token" => $run::<entity::customer_token::Entity>($($argument),*).await,
            "token_pair" => $run::<entity::token_pair::Entity>($($argument),*).await,
            "token_event" => $run::<entity::token_event::Entity>($($argument),*).await,
            "installer" => $run::<entity::installer::Entity>($($argument),*).await,
            "installer_terms" => $run::<entity::installer_terms::Entity>($($argument),*).await,
            other => Err(Error::invalid("file", format!("has rows of {other}, which is no table of an account"))),
        }
    };
}

/// The next rows of a table after `after`, by its primary key.
pub(crate) async fn page(db: &Tx<'_>, table: &str, account: AccountId, after: Option<&Row>) -> Result<Vec<Row>> {
    if table == "account" {
        let row = entity::account::Entity::find_by_id(account.as_str()).one(db).await.map_err(storage)?;
        return row.filter(|_| after.is_none()).iter().map(row_of).collect();
    }
    of!(table, read(db, account, after))
}

/// Writes rows of a table for `account`, which need not be the one that they were read of.
pub(crate) async fn write(db: &Tx<'_>, table: &str, account: AccountId, rows: Vec<Row>) -> Result<()> {
    if table == "account" {
        return insert::<entity::account::Entity>(db, account, "id", rows).await;
    }
    of!(table, fill(db, account, rows))
}

/// Puts another value into a column of a row that was read, unless somebody has meanwhile.
pub(crate) async fn replace(db: &Tx<'_>, table: &str, account: AccountId, row: &Row, column: &str, value: &Value) -> Result<()> {
    if table == "account" {
        return put::<entity::account::Entity>(db, account, row, column, value).await;
    }
    of!(table, put(db, account, row, column, value))
}

async fn put<E: EntityTrait>(db: &Tx<'_>, account: AccountId, row: &Row, column: &str, value: &Value) -> Result<()> {
    let typed =
        |column: &E::Column, value: &Value| stored(column.def().get_column_type(), value).ok_or_else(|| corrupt("a value"));
    let to = E::Column::iter().find(|known| sea_orm::IdenStatic::as_str(known) == column).ok_or_else(|| corrupt("a column"))?;
    let mut update = E::update_many().col_expr(to, typed(&to, value)?.into());
    update = update.filter(to.eq(typed(&to, row.get(column).unwrap_or(&Value::Null))?));
    for (nth, key) in E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).enumerate() {
        let owner = json!(account);
        let value = if nth == 0 { &owner } else { row.get(sea_orm::IdenStatic::as_str(&key)).unwrap_or(&Value::Null) };
        update = update.filter(key.eq(typed(&key, value)?));
    }
    update.exec(db).await.map_err(storage)?;
    Ok(())
}

async fn fill<E>(db: &Tx<'_>, account: AccountId, rows: Vec<Row>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    insert::<E>(db, account, "account_id", rows).await
}

async fn insert<E>(db: &Tx<'_>, account: AccountId, owner: &str, rows: Vec<Row>) -> Result<()>
where
    E: EntityTrait,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    let active = |mut row: Row| {
        row.insert(owner.to_owned(), json!(account));
        let mut active = <E::ActiveModel as ActiveModelTrait>::default();
        for column in E::Column::iter() {
            let name = sea_orm::IdenStatic::as_str(&column);
            // The database numbers its transactions itself.
            if name == "tx" {
                continue;
            }
            if let Some(value) = row.remove(name) {
                let stored = stored(column.def().get_column_type(), &value);
                active.set(column, stored.ok_or_else(|| Error::invalid("file", format!("has a {name} of another kind")))?);
            }
        }
        match row.keys().next() {
            Some(unknown) => Err(Error::invalid("file", format!("has a column {unknown}, which is not known here"))),
            None => Ok(active),
        }
    };
    let rows = rows.into_iter().map(active).collect::<Result<Vec<E::ActiveModel>>>()?;
    for statement in inserts(rows, db.get_database_backend()) {
        db.execute_raw(statement).await.map_err(|error| match error.sql_err() {
            Some(_) => Error::invalid("file", "does not fit together: a record is there twice, or belongs to none"),
            None => storage(error),
        })?;
    }
    Ok(())
}

async fn read<E>(db: &Tx<'_>, account: AccountId, after: Option<&Row>) -> Result<Vec<Row>>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Sync,
{
    let keys: Vec<E::Column> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let (owner, keys) = keys.split_first().ok_or_else(|| corrupt("a table without a key"))?;
    let mut query = E::find().filter(owner.eq(account.as_str())).limit(PAGE);
    if let Some(after) = after {
        let value = |key: &E::Column| {
            let value = after.get(sea_orm::IdenStatic::as_str(key)).unwrap_or(&Value::Null);
            stored(key.def().get_column_type(), value).map(SimpleExpr::from).ok_or_else(|| corrupt("a key"))
        };
        let reached = keys.iter().map(value).collect::<Result<Vec<_>>>()?;
        query = query.filter(Expr::tuple(keys.iter().map(|key| Expr::col(*key))).gt(Expr::tuple(reached)));
    }
    for key in keys {
        query = query.order_by_asc(*key);
    }
    query.all(db).await.map_err(storage)?.iter().map(row_of).collect()
}

fn row_of<M: ModelTrait>(model: &M) -> Result<Row> {
    let column = |column: <M::Entity as EntityTrait>::Column| {
        Ok((sea_orm::IdenStatic::as_str(&column).to_owned(), shown(model.get(column))?))
    };
    let mut row = <M::Entity as EntityTrait>::Column::iter().map(column).collect::<Result<Row>>()?;
    row.remove("account_id");
    row.remove("tx");
    Ok(row)
}

/// A stored value as JSON.
fn shown(stored: Stored) -> Result<Value> {
    Ok(match stored {
        Stored::Bool(value) => json!(value),
        Stored::Int(value) => json!(value),
        Stored::BigInt(value) => json!(value),
        Stored::String(value) => json!(value),
        Stored::Uuid(value) => json!(value),
        Stored::Bytes(value) => json!(value.map(|bytes| STANDARD.encode(bytes))),
        other => return Err(corrupt(format!("a value of an unknown kind: {other:?}"))),
    })
}

/// JSON as a value of a column of this type; `None` where it is of another kind.
fn stored(kind: &ColumnType, value: &Value) -> Option<Stored> {
    let null = value == &Value::Null;
    Some(match kind {
        ColumnType::Boolean => Stored::Bool(if null { None } else { Some(value.as_bool()?) }),
        ColumnType::Integer => Stored::Int(if null { None } else { Some(value.as_i64()?.try_into().ok()?) }),
        ColumnType::BigInteger => Stored::BigInt(if null { None } else { Some(value.as_i64()?) }),
        ColumnType::Uuid => Stored::Uuid(if null { None } else { Some(Uuid::try_parse(value.as_str()?).ok()?) }),
        ColumnType::String(_) | ColumnType::Text => Stored::String(if null { None } else { Some(value.as_str()?.to_owned()) }),
        ColumnType::VarBinary(_) | ColumnType::Binary(_) | ColumnType::Blob => {
            Stored::Bytes(if null { None } else { Some(STANDARD.decode(value.as_str()?).ok()?) })
        }
        _ => return None,
    })
}
