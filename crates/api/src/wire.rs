//! Pieces that several bodies share.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use tenantry_domain::{Checks, Instant, Scopes, Stamp, Text};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who made a record and when (contract section 8). Ignored in requests.
#[derive(Serialize, ToSchema)]
pub(crate) struct Entity {
    /// Server-made identifier of the record.
    #[schema(read_only)]
    id: Uuid,
    /// When it was made.
    #[schema(read_only, value_type = String, format = DateTime)]
    created_at: Instant,
    /// Subject that made the record.
    #[schema(read_only)]
    created_by: String,
    /// When it was last changed.
    #[schema(read_only, value_type = String, format = DateTime)]
    updated_at: Instant,
    /// Time of soft deletion; absent while the record lives.
    #[schema(read_only, value_type = Option<String>, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Instant>,
    /// Subject that soft-deleted the record; absent while it lives.
    #[schema(read_only)]
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<String>,
}

impl Entity {
    /// The record's id, which is also the cursor of a page that ends with it.
    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }

    pub(crate) fn new(id: Uuid, stamp: &Stamp) -> Self {
        let (deleted_at, deleted_by) = stamp.deleted.clone().unzip();
        Self {
            id,
            created_at: stamp.created_at,
            created_by: stamp.created_by.clone(),
            updated_at: stamp.updated_at,
            deleted_at,
            deleted_by,
        }
    }
}

/// A scope, `verb:resource` or `verb:resource:/path`.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, min_length = 1, example = "read:accounts")]
pub(crate) struct ScopeName(Arc<str>);

impl AsRef<str> for ScopeName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// For a member that may be left out: one that is there is not null.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Scopes as they are answered.
pub(crate) fn scope_names(scopes: &Scopes) -> Vec<ScopeName> {
    scopes.iter().map(|scope| ScopeName(scope.text())).collect()
}

/// Reads the scopes of a body; a finding names the entry.
pub(crate) fn scopes(checks: &mut Checks, entries: &[ScopeName]) -> Option<Scopes> {
    match Scopes::parse(entries) {
        Ok(scopes) => Some(scopes),
        Err((at, message)) => {
            checks.fault(format!("scope{at}"), message);
            None
        }
    }
}

#[expect(clippy::option_option, reason = "the outer one is whether it was right, the inner one whether it was there")]
/// Reads a text that may be left out; the inner `None` is a text that was.
pub(crate) fn text<const MAX: usize>(checks: &mut Checks, field: &str, text: Option<String>) -> Option<Option<Text<MAX>>> {
    checks.take(field, text.map(|text| text.parse()).transpose())
}

/// A text as it is answered.
pub(crate) fn shown<const MAX: usize>(text: Option<&Text<MAX>>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}
