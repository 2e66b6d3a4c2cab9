//! Scopes: matched exactly when a call is authorised, compared by the cover relation only when they are handed out
//! or narrowed (contract section 3.5).

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Serialize, Serializer};

/// One scope: a token of RFC 6749 section 3.3, at most 128 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<str>);

impl Scope {
    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, shared.
    #[must_use]
    pub fn text(&self) -> Arc<str> {
        self.0.clone()
    }

    /// The verb and resource, `("write", "accounts")` of `write:accounts:/auth/users`, and what follows the resource.
    fn parts(&self) -> Option<(&str, &str, &str)> {
        let (verb, rest) = self.0.split_once(':')?;
        let end = rest.find(':').unwrap_or(rest.len());
        Some((verb, &rest[..end], &rest[end..]))
    }

    /// Whether a holder of `self` thereby holds `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let (Some((verb, resource, "")), Some((other_verb, other_resource, rest))) = (self.parts(), other.parts()) else {
            return false;
        };
        resource == other_resource
            && match verb {
                "admin" => true,
                "write" => (other_verb == "write" && rest.starts_with(":/")) || other_verb == "create",
                "read" => (other_verb == "read" && rest.starts_with(":/")) || (other_verb == "public" && rest.is_empty()),
                _ => false,
            }
    }

    /// Whether this is a scope of ours; those of other services are opaque to us.
    fn is_ours(&self) -> bool {
        matches!(self.parts(), Some((_, "accounts" | "customers" | "installers", _)))
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.is_empty() {
            Err("must not be empty".to_owned())
        } else if text.len() > 128 {
            Err("must be at most 128 characters".to_owned())
        } else if !text.bytes().all(allowed) {
            Err("must be printable ASCII without blanks, quotes and backslashes".to_owned())
        } else {
            Ok(Self(KNOWN.get(text).map_or_else(|| text.into(), Arc::clone)))
        }
    }
}

/// Scopes that stand in every account's configuration: their text is kept once.
static KNOWN: LazyLock<HashSet<Arc<str>>> = LazyLock::new(|| {
    let verbs = ["admin", "write", "read", "create", "public", "user"];
    let resources = ["accounts", "customers", "installers"];
    let plain = verbs.iter().flat_map(|verb| resources.iter().map(move |resource| format!("{verb}:{resource}").into()));
    let narrow = ["write:accounts:/auth/users", "write:accounts:/auth/users/no-mfa", "write:accounts:/auth/passwordless"];
    plain.chain(narrow.map(Arc::from)).collect()
});

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Scopes in the order given, each once, at most 100. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Scopes(Arc<[Scope]>);

impl Default for Scopes {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl Scopes {
    /// How many scopes one list may have.
    pub const MAX: usize = 100;

    /// Reads a list; an error names the entry, `[3]: must not be empty`.
    pub fn parse(entries: &[impl AsRef<str>]) -> Result<Self, (String, String)> {
        if entries.len() > Self::MAX {
            return Err((String::new(), format!("must have at most {} entries", Self::MAX)));
        }
        let mut scopes: Vec<Scope> = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            let scope = entry.as_ref().parse().map_err(|message| (format!("[{at}]"), message))?;
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        Ok(Self(scopes.into()))
    }

    /// Reads the blank-separated form of a token's `scope` claim.
    pub fn parse_claim(text: &str) -> Result<Self, String> {
        let entries: Vec<&str> = text.split_ascii_whitespace().collect();
        Self::parse(&entries).map_err(|(_, message)| message)
    }

    /// The blank-separated form (RFC 6749 section 3.3).
    #[must_use]
    pub fn claim(&self) -> String {
        let mut text = String::with_capacity(self.iter().map(|scope| scope.as_str().len() + 1).sum());
        for scope in self.iter() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(scope.as_str());
        }
        text
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether exactly this scope is in the list; nothing is inferred.
    #[must_use]
    pub fn has(&self, scope: &str) -> bool {
        self.iter().any(|held| held.as_str() == scope)
    }

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a holder of this list thereby holds `scope`.
    #[must_use]
    pub fn cover(&self, scope: &Scope) -> bool {
        self.iter().any(|held| held.covers(scope))
    }

    /// Those of these scopes that a holder of `held` holds.
    #[must_use]
    pub fn held_by(&self, held: &Self) -> Self {
        if self == held || self.iter().all(|scope| held.cover(scope)) {
            return self.clone();
        }
        Self(self.iter().filter(|scope| held.cover(scope)).cloned().collect())
    }

    /// All of these, each once; there may be more than [`Self::MAX`].
    #[must_use]
    pub fn union<'a>(lists: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all: Vec<Scope> = Vec::new();
        for scope in lists.into_iter().flat_map(Self::iter) {
            if !all.contains(scope) {
                all.push(scope.clone());
            }
        }
        Self(all.into())
    }

    /// The widest list that holders of both lists hold: of each comparable pair the narrower one.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let mut both: Vec<Scope> = self.held_by(other).iter().cloned().collect();
        for scope in other.held_by(self).iter() {
            if !both.contains(scope) {
                both.push(scope.clone());
            }
        }
        Self(both.into())
    }

    /// The first of `wanted` that a holder of this list may not give away. Opaque scopes of other services may be
    /// given by whoever holds `admin:accounts`.
    #[must_use]
    pub fn not_delegable<'a>(&self, wanted: &'a Self) -> Option<&'a Scope> {
        let may = |scope: &Scope| self.cover(scope) || (!scope.is_ours() && self.has("admin:accounts"));
        wanted.0.iter().find(|scope| !may(scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    fn scopes(text: &str) -> Scopes {
        Scopes::parse_claim(text).unwrap()
    }

    #[test]
    fn broad_scopes_cover_narrow_ones_and_never_the_reverse() {
        let covers = |a: &str, b: &str| scope(a).covers(&scope(b));
        for narrow in
            ["write:accounts", "read:accounts:/x", "create:accounts:auth:refresh_token", "write:accounts:/auth/users/no-mfa"]
        {
            assert!(covers("admin:accounts", narrow), "{narrow}");
            assert!(!covers(narrow, "admin:accounts"), "{narrow}");
        }
        assert!(covers("write:accounts", "write:accounts:/auth/users"));
        assert!(covers("write:customers", "create:customers:/users"));
        assert!(covers("read:customers", "public:customers"));
        assert!(!covers("write:accounts", "read:accounts"));
        assert!(!covers("write:accounts:/auth/users", "write:accounts:/auth/users/no-mfa"));
        assert!(!covers("admin:accounts", "admin:customers"));
        assert!(!covers("admin:account", "admin:accounts"));
    }

    #[test]
    fn a_meet_is_never_wider_than_either_side() {
        let (a, b) = (scopes("admin:accounts read:customers"), scopes("read:accounts admin:customers foo:bar"));
        assert_eq!(a.meet(&b), scopes("read:customers read:accounts"));
        assert!(a.meet(&b).iter().all(|s| a.cover(s) && b.cover(s)));
        assert!(scopes("admin:accounts").meet(&scopes("openid foo:bar")).is_empty());
    }

    #[test]
    fn opaque_scopes_are_given_by_account_administrators_only() {
        assert_eq!(scopes("admin:accounts").not_delegable(&scopes("read:checkout openid create:account")), None);
        assert_eq!(scopes("write:accounts").not_delegable(&scopes("read:checkout")), Some(&scope("read:checkout")));
        assert_eq!(scopes("admin:accounts").not_delegable(&scopes("read:customers")), Some(&scope("read:customers")));
    }

    #[test]
    fn scopes_are_bounded_and_plain() {
        assert!("a b".parse::<Scope>().is_err());
        assert!("a\"b".parse::<Scope>().is_err());
        assert!("x".repeat(129).parse::<Scope>().is_err());
        assert!(Scopes::parse(&vec!["a"; 101]).is_err());
        assert_eq!(Scopes::parse(&["a", ""]).unwrap_err().0, "[1]");
    }
}
