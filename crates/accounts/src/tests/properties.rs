//! What holds of any text that the runtime reads: tokens, tickets, places, hashes, lines of a file.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use tenantry_domain::{AccountId, KeyPurpose, Scopes, Secret};
use tenantry_test_properties::{Property, piece};
use uuid::Uuid;

use super::{MASTER_KEY, World};
use crate::tokens::claimed_account;
use crate::vault::Place;
use crate::{Database, FeedPlace, Line, MasterKeys, Source, Ticket, Unlock, Vault, imported_hash, lines};

fn vault() -> Vault {
    Vault::new(MasterKeys::new(MASTER_KEY).unwrap(), Source::default())
}

/// A text with one change somewhere, of any kind.
fn turn(text: &str, at: Index, piece: &str, how: u8) -> String {
    let at = at.index(text.len());
    let (before, rest) = text.split_at(at);
    let (letter, after) = rest.split_at(1);
    match how {
        0 => format!("{before}{after}"),
        1 => format!("{before}{piece}{rest}"),
        2 => format!("{before}{piece}{after}"),
        3 => format!("{before}{}{after}", char::from(letter.as_bytes()[0] ^ 1)),
        4 => format!("{before}{}{after}", letter.to_ascii_uppercase()),
        _ => before.to_owned(),
    }
}

#[actix_rt::test]
async fn a_token_in_which_anything_was_changed_is_refused() {
    let world = World::new().await;
    let account = world.operator().await;
    let client = "web-shop".parse().unwrap();
    let audience = world.registry.platform().public.account(account.id());
    let claims = account.claims(&client, audience, &Scopes::parse_claim("read:accounts").unwrap(), 60);
    let token = account.sign(&claims).await.unwrap().reveal().to_owned();
    let directory = account.directory();
    assert!(account.verify_signature(&token, &directory).is_ok());
    assert_eq!(claimed_account(&token), Some(account.id()));

    let refused = |token: &str| assert!(account.verify_signature(token, &directory).is_err(), "{token}");
    Property::new("jwt").of((any::<Index>(), piece(), 0_u8..6), |(at, piece, how)| {
        let changed = turn(&token, at, &piece, how);
        if changed != token {
            refused(&changed);
        }
    });
    // Whatever its header says, with the signature that it had, another one, or none.
    let key = account.signing_key(KeyPurpose::Account).await.unwrap();
    let header = ("(none|None|HS256|HS512|RS256|PS256|ES384|EdDSA|ES256K|[a-zA-Z0-9]{0,6})", proptest::bool::ANY, 0_u8..3);
    Property::new("jwt").of(header, |(alg, kid, signature)| {
        let header = if kid { json!({"alg": alg, "kid": key.id, "typ": "at+jwt"}) } else { json!({"alg": alg, "typ": "at+jwt"}) };
        let mut parts: Vec<&str> = token.split('.').collect();
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        parts[0] = &header;
        match signature {
            0 => parts[2] = "",
            1 => parts[2] = "AAAA",
            _ => {}
        }
        if alg != "ES256" {
            refused(&parts.join("."));
        }
    });
    Property::new("jwt").of_text("[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,90}", |text| {
        refused(text);
        if let Some(account) = claimed_account(text) {
            assert_eq!(text.split('.').count(), 3, "{text} is for {account}");
        }
    });
}

fn ticket() -> impl Strategy<Value = Ticket> {
    ("[PT][0-9]{8}", any::<u128>(), any::<u32>()).prop_map(|(account, id, generation)| Ticket {
        account: account.parse().unwrap(),
        kind: "refresh",
        id: Uuid::from_u128(id),
        generation,
    })
}

#[test]
fn a_ticket_comes_back_as_it_was_or_not_at_all() {
    let vault = vault();
    Property::new("ticket").of((ticket(), any::<Index>(), piece(), 0_u8..6), |(ticket, at, piece, how)| {
        let text = vault.hand_out(ticket).reveal().to_owned();
        assert_eq!(vault.take_back(ticket.account, "refresh", &text), Some(ticket));
        assert_eq!(vault.take_back(ticket.account, "reset", &text), None);
        let changed = turn(&text, at, &piece, how);
        assert_eq!(vault.take_back(ticket.account, "refresh", &changed), (changed == text).then_some(ticket), "{changed}");

        let plain = Ticket { generation: 0, ..ticket };
        let text = vault.hand_out_plain("rst", plain).reveal().to_owned();
        assert_eq!(vault.take_back_plain("rst", "refresh", &text), Some(plain));
        let changed = turn(&text, at, &piece, how);
        assert_eq!(vault.take_back_plain("rst", "refresh", &changed), (changed == text).then_some(plain), "{changed}");
    });
    let account: AccountId = "P11200001".parse().unwrap();
    let likely = "P11200001\\.refresh\\.[0-9a-f]{32}\\.[0-9]{1,10}\\.[0-9a-f]{64}|rst_[0-9a-f]{90}";
    Property::new("ticket").of_text(likely, |text| {
        assert_eq!(vault.take_back(account, "refresh", text), None, "nobody else makes one");
        assert_eq!(vault.take_back_plain("rst", "refresh", text), None);
    });
}

#[test]
fn a_place_in_a_list_opens_as_it_was_sealed_or_not_at_all() {
    let vault = vault();
    let place = Place { account: "T11200001".parse().unwrap(), kind: "place", id: Uuid::from_u128(7) };
    let other = Place { id: Uuid::from_u128(8), ..place };
    Property::new("place").of((any::<Vec<u8>>(), any::<Index>(), 1_u8..=255, any::<Index>()), |(plain, at, bits, end)| {
        let sealed = vault.seal(place, &plain);
        assert_eq!(vault.open(place, &sealed).unwrap(), plain);
        assert!(vault.open(other, &sealed).is_err());
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= bits;
        assert!(vault.open(place, &changed).is_err());
        assert!(vault.open(place, &sealed[..end.index(sealed.len())]).is_err());
        assert!(vault.open(place, &plain).is_err());
    });
}

#[test]
fn a_place_in_the_feed_is_read_as_it_is_printed() {
    Property::new("feed-place").of_text(
        "-?[0-9]{1,20}\\.-?[0-9]{1,20}\\.[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
        |text| {
            let Ok(place) = text.parse::<FeedPlace>() else { return };
            assert_eq!(place.to_string().parse(), Ok(place));
            assert_eq!(text.split('.').count(), 3);
        },
    );
}

#[test]
fn a_hash_from_elsewhere_is_kept_as_it_is_and_does_not_cost_too_much() {
    let likely = "\\$argon2id?\\$v=19\\$m=[0-9]{1,10},t=[0-9]{1,10},p=[0-9]{1,3}\\$[a-zA-Z0-9+/]{11,22}\\$[a-zA-Z0-9+/]{43}|\\$2[abxy]\\$[0-9]{2}\\$[./A-Za-z0-9]{53}|\\$(scrypt\\$ln=[0-9]{1,2},r=[0-9]{1,3},p=[0-9]|pbkdf2-sha(256|512)\\$i=[0-9]{1,10},l=32)\\$[a-zA-Z0-9+/]{22}\\$[a-zA-Z0-9+/]{43}";
    Property::new("password-hash").of_text(likely, |text| {
        let Ok(kept) = imported_hash(text.to_owned()) else { return };
        assert_eq!(kept.as_str(), text);
        let number = |name: &str| {
            let (_, rest) = text.split_once(name)?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        if text.starts_with("$2") {
            assert!(text[4..6].parse::<u32>().unwrap() <= 12, "{text}");
        } else if text.starts_with("$argon2") {
            assert!(number("m=").unwrap_or_default() * number("t=").unwrap_or_default() <= 256 * 1024, "{text}");
        } else if text.starts_with("$scrypt") {
            assert!(number("ln=").unwrap() <= 16 && number("r=").unwrap() <= 8, "{text}");
        } else {
            assert!(number("i=").unwrap() <= 650_000, "{text}");
        }
    });
}

#[test]
fn a_line_of_a_file_is_read_as_it_is_printed() {
    let likely = r#"\{"(rows":\["[a-z_]{1,8}",\[(\{"a":([0-9]{1,19}|null|"å")\})?\]\]|end":\{"[a-z]{1,4}":[0-9]{1,4}\})\}"#;
    Property::new("transfer-line").of_text(likely, |text| {
        let Ok(line) = serde_json::from_str::<Line>(text) else { return };
        let printed = serde_json::to_string(&line).unwrap();
        assert_eq!(serde_json::to_string(&serde_json::from_str::<Line>(&printed).unwrap()).unwrap(), printed);
    });
    let key = Unlock::passphrase(&Secret::new("correct horse battery".to_owned()));
    Property::slow("transfer-line").of_text(
        "age-encryption.org/v1\n-> [a-zA-Z0-9 ]{0,20}\n[a-zA-Z0-9+/]{0,43}\n--- [a-zA-Z0-9+/]{43}\n.{0,20}",
        move |text| {
            assert!(lines(Cursor::new(text.to_owned()), &key, |_| ()).is_err(), "what is not sealed is no file of ours");
        },
    );
}

#[test]
fn the_address_of_a_database_is_read_or_refused_and_never_repeated() {
    let faults = ["is not a valid PostgreSQL URL", "must be sqlite://PATH or postgres://USER@HOST/NAME"];
    Property::new("database-url").of_text("(sqlite|postgres(ql)?)://[a-z:@/.?=%0-9\\[]{0,24}", move |text| {
        match Database::parse(text) {
            Ok(Database::Sqlite(path)) => assert!(text.contains(path.to_str().unwrap()) && path.to_str() != Some("")),
            Ok(Database::Postgres(url)) => assert_eq!(url, text),
            // Nothing of it is repeated: it may have a password in it.
            Err(fault) => assert!(faults.contains(&&fault[..]), "{fault}"),
        }
    });
}
