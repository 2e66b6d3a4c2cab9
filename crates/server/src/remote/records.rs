//! `tenantry roles|clients|grants|users|customers|accounts`: records of an account, one noun like the other.

use std::fmt::Write;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::{At, Output, Site, confirm, plain};

/// What is asked of records, by whom, and how it is shown.
#[derive(Args)]
pub(crate) struct Asked<C: Subcommand = Command> {
    #[command(flatten)]
    pub(super) at: At,
    /// How to show it.
    #[arg(long, short, value_enum, default_value = "table", global = true)]
    pub(super) output: Output,
    #[command(subcommand)]
    pub(super) what: C,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List {
        /// Only those that the server finds by this: `search=ola`.
        #[arg(value_name = "FILTER=VALUE", value_parser = pair)]
        filters: Vec<(String, String)>,
        /// How many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show one.
    Show {
        /// Which.
        id: String,
    },
    /// Make one.
    Create(Fields),
    /// Change one: what is not named stays.
    Update {
        /// Which.
        id: String,
        #[command(flatten)]
        fields: Fields,
    },
    /// Delete one.
    Delete {
        /// Which.
        id: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}

/// What a record is to have.
#[derive(Args)]
pub(crate) struct Fields {
    /// `name=text`, again for a list (`scope=read:accounts scope=write:customers`), or `name:=JSON`.
    #[arg(value_name = "FIELD=VALUE", value_parser = field)]
    fields: Vec<(String, Value)>,
    /// All of it as JSON in a file; `-`: from standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A kind of record.
pub(super) struct Noun {
    path: &'static str,
    columns: &'static [&'static str],
    /// What is sent to change one takes the place of all that it has.
    whole: bool,
    /// It is changed by PATCH.
    patch: bool,
}

impl Noun {
    const fn new(path: &'static str, columns: &'static [&'static str]) -> Self {
        Self { path, columns, whole: false, patch: false }
    }
}

pub(super) const ROLES: Noun = Noun { whole: true, ..Noun::new("auth/roles", &["id", "name", "scope", "description"]) };
pub(super) const CLIENTS: Noun =
    Noun { whole: true, ..Noun::new("auth/clients", &["client_id", "name", "callbacks", "last_used_at"]) };
pub(super) const GRANTS: Noun =
    Noun { patch: true, ..Noun::new("auth/client-grants", &["id", "client_id", "audience", "type", "scope"]) };
pub(super) const USERS: Noun =
    Noun { whole: true, ..Noun::new("management/users", &["id", "email", "name", "roles", "scope", "enabled"]) };
pub(super) const CUSTOMERS: Noun =
    Noun::new("customers/users", &["customer_id", "email", "phone_number", "first_name", "last_name", "created_at"]);
pub(super) const ACCOUNTS: Noun = Noun::new("management/accounts", &["account_id", "display_name", "active", "created_at"]);

/// Fields that are lists, however many values they are given.
const LISTS: [&str; 3] = ["scope", "callbacks", "tags"];

pub(super) async fn run(noun: Noun, asked: Asked) -> Result<()> {
    let Asked { at, output, what } = asked;
    let one = |id: &str| anyhow::Ok(format!("{}/{}", noun.path, escaped(id)?));
    let site = Site::open(&at).await?;
    let shown = match what {
        Command::List { filters, limit } => {
            let filters: Vec<(&str, &str)> = filters.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let (records, more) = site.list(noun.path, &filters, limit).await?;
            if more {
                eprintln!("there are more: say --limit");
            }
            return crate::out(&match output {
                Output::Table => table(noun.columns, &records),
                Output::Json => format!("{:#}\n", Value::Array(records)),
            });
        }
        Command::Show { id } => site.get(&one(&id)?).await?,
        Command::Create(fields) => site.ask(Method::POST, noun.path, &[], Some(&Value::Object(fields.read()?))).await?.body,
        Command::Update { id, fields } => {
            let mut body = if noun.whole { object(site.get(&one(&id)?).await?)? } else { Map::new() };
            body.extend(fields.read()?);
            let method = if noun.patch { Method::PATCH } else { Method::PUT };
            site.ask(method, &one(&id)?, &[], Some(&Value::Object(body))).await?.body
        }
        Command::Delete { id, yes } => {
            if !yes {
                confirm(&format!("Delete {id} of {}?", site.account()), "--yes")?;
            }
            site.ask(Method::DELETE, &one(&id)?, &[], None).await?.body
        }
    };
    show(output, &shown)
}

/// Gives a client another secret; the old one lives on for so many seconds.
pub(super) async fn rotate_secret(at: &At, output: Output, (id, overlap): (&str, u32)) -> Result<()> {
    let (site, path) = (Site::open(at).await?, format!("{}/{}/rotate-secret", CLIENTS.path, escaped(id)?));
    show(output, &site.ask(Method::POST, &path, &[("overlap", &overlap.to_string())], None).await?.body)
}

fn show(output: Output, record: &Value) -> Result<()> {
    crate::out(&match output {
        Output::Table => lines(record),
        Output::Json => format!("{record:#}\n"),
    })
}

/// An id as a part of a path; not one that would lead elsewhere.
fn escaped(id: &str) -> Result<String> {
    if matches!(id, "" | "." | "..") {
        bail!("{id:?} is no id");
    }
    Ok(percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC).to_string())
}

fn object(value: Value) -> Result<Map<String, Value>> {
    match value {
        Value::Object(members) => Ok(members),
        _ => bail!("must be a JSON object"),
    }
}

impl Fields {
    fn read(self) -> Result<Map<String, Value>> {
        let mut members = match self.file {
            None => Map::new(),
            Some(file) => {
                let cannot = || format!("{} cannot be read", file.display());
                let text = if file.as_os_str() == "-" {
                    let mut text = String::new();
                    std::io::stdin().read_to_string(&mut text).map(|_| text)
                } else {
                    std::fs::read_to_string(&file)
                };
                object(serde_json::from_str(&text.with_context(cannot)?).with_context(cannot)?).with_context(cannot)?
            }
        };
        let mut given: Map<String, Value> = Map::new();
        for (name, value) in self.fields {
            match given.get_mut(&name) {
                Some(Value::Array(values)) => values.push(value),
                Some(first) => *first = Value::Array(vec![first.take(), value]),
                None if LISTS.contains(&&name[..]) && !value.is_array() => {
                    let value = if value == "" { Vec::new() } else { vec![value] };
                    given.insert(name, value.into());
                }
                None => drop(given.insert(name, value)),
            }
        }
        members.extend(given);
        if members.is_empty() {
            bail!("say FIELD=VALUE, or --file");
        }
        Ok(members)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Text, or with `:=` JSON, so that a number that is a text, as a telephone number, is never taken for anything else.
fn field(text: &str) -> Result<(String, Value), String> {
    let (name, value) = pair(text)?;
    match name.strip_suffix(':') {
        Some(name) => Ok((name.to_owned(), serde_json::from_str(&value).map_err(|error| format!("is no JSON: {error}"))?)),
        None => Ok((name, value.into())),
    }
}

/// A value in one line. What others have named never steers a terminal.
pub(super) fn line(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(line).collect::<Vec<_>>().join(", "),
        Value::Object(members) => match members.get("name").or_else(|| members.get("id")) {
            Some(name) => line(name),
            None => value.to_string(),
        },
        other => other.to_string(),
    };
    plain(&text)
}

/// Records below the names of their columns.
fn table(columns: &[&str], records: &[Value]) -> String {
    let head: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let rows = records.iter().map(|record| columns.iter().map(|column| line(&record[*column])).collect::<Vec<_>>());
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let widths: Vec<usize> =
        (0..columns.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One record, a line a field.
fn lines(record: &Value) -> String {
    let mut text = String::new();
    for (name, value) in record.as_object().into_iter().flatten() {
        writeln!(text, "{:<16} {}", plain(name), line(value)).expect("a text takes all");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &[&str]) -> Value {
        let fields = fields.iter().map(|text| field(text).unwrap()).collect();
        Fields { fields, file: None }.read().unwrap().into()
    }

    #[test]
    fn fields_are_text_lists_or_json() {
        assert_eq!(read(&["phone_number=+4712345678", "n=1"]), json!({"phone_number": "+4712345678", "n": "1"}));
        assert_eq!(read(&["scope=a:b"]), json!({"scope": ["a:b"]}));
        assert_eq!(read(&["scope=a:b", "scope=c:d", "x=1", "x=2"]), json!({"scope": ["a:b", "c:d"], "x": ["1", "2"]}));
        assert_eq!(read(&["scope=", "enabled:=false"]), json!({"scope": [], "enabled": false}));
        assert!(field("enabled:=no").is_err());
        assert!(field("name").is_err());
    }

    #[test]
    fn names_never_steer_a_terminal() {
        let told = table(&["id", "name"], &[json!({"id": "1", "name": "\u{1b}[2J\nx"}), json!({"id": "22", "name": ["a", "b"]})]);
        assert_eq!(told, "ID  NAME\n1   \u{fffd}[2J\u{fffd}x\n22  a, b\n");
    }

    mod properties {
        use tenantry_test_properties::Property;

        use super::*;

        #[test]
        fn a_field_is_a_name_and_text_or_a_name_and_json() {
            Property::new("field").of_text("[a-z_]{1,6}:?=[a-z0-9\"\\[\\]{}=:å]{0,8}", |text| {
                let Ok((name, value)) = field(text) else { return };
                let (before, after) = text.split_once('=').unwrap();
                match before.strip_suffix(':') {
                    Some(before) => assert_eq!((name, Ok(value)), (before.to_owned(), serde_json::from_str(after).map_err(drop))),
                    None => assert_eq!((name, value), (before.to_owned(), Value::from(after))),
                }
            });
        }

        #[test]
        fn what_others_have_named_never_steers_a_terminal() {
            Property::new("text").of_text("[a-z\u{1b}\u{9b}\\[0-9;\u{7}\u{202e}\n]{0,12}", |text| {
                let shown = line(&json!([text, {"name": text}]));
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
            });
        }
    }
}
