//! What an installation remembers of its master keys.

use aws_lc_rs::hmac;
use tenantry_domain::{Audience, ClientInput, Error, GrantInput, GrantType, OidcInput, Scopes, Secret};
use tenantry_test_database::TestDatabase;

use super::{MASTER_KEY, World, operator, registry_under};
use crate::{Caller, Catalogue, Choices, Database, MasterKeys, Schema, Source, Vault};

const NEXT: &[u8; 32] = b"fedcba9876543210fedcba9876543210";

#[actix_rt::test]
async fn values_are_derived_as_before_whatever_becomes_of_the_master_key() {
    let database = TestDatabase::create().await;
    let opened = Database::parse(&database.url).unwrap();
    Schema::up(&opened).await.unwrap();
    let store = opened.open(4, true, &mut Catalogue::default()).await.unwrap();
    let keys = |master: &[u8]| MasterKeys::new(master).unwrap();
    let claim = async |keys| Vault::claim(&store, keys, Source::default()).await.unwrap();
    let value = |vault: &Vault| vault.derived(operator(), "kind", "text").reveal().to_owned();

    // A new installation draws a key of its own.
    let first = value(&claim(keys(MASTER_KEY)).await.unwrap());
    assert_eq!(value(&claim(keys(MASTER_KEY)).await.unwrap()), first);
    let legacy = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, MASTER_KEY), b"tenantry derived values");
    let legacy = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, legacy.as_ref()), b"T00000000.derived.kind.text");
    let legacy = legacy.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    assert_ne!(first, legacy);

    // One of before goes on with what the master key gave, also if that is changed at the same start.
    database.run("UPDATE instance SET sealed_derivation = NULL").await;
    assert_eq!(claim(keys(NEXT)).await.err().unwrap(), keys(MASTER_KEY).current());
    assert_eq!(value(&claim(keys(NEXT).and(MASTER_KEY).unwrap()).await.unwrap()), legacy);
    let known = database.column("SELECT master_key_id FROM instance").await;
    assert_eq!(known, [format!("{} {}", keys(NEXT).current(), keys(MASTER_KEY).current())]);
    assert!(claim(keys(NEXT)).await.is_err() && claim(keys(MASTER_KEY)).await.is_err());
    assert_eq!(value(&claim(keys(MASTER_KEY).and(NEXT).unwrap()).await.unwrap()), legacy);
}

/// What a process knows of an account when its secrets are sealed anew is not written back over them.
#[actix_rt::test]
async fn a_write_after_all_was_sealed_anew_brings_nothing_back() {
    let world = World::new().await;
    let account = world.operator().await;
    let (client, _) = account.create_client(Caller::system(), ClientInput::default()).await.unwrap();
    let oidc = OidcInput {
        client_id: "us".to_owned(),
        client_secret: Secret::new("theirs".to_owned()),
        authority: "https://id.example.org".to_owned(),
    };
    let grant = GrantInput {
        client_id: client.client_id.clone(),
        audience: Audience::Account(account.id()),
        scope: Scopes::default(),
        kind: GrantType::AuthorizationCode,
        oidc: Some(oidc),
    };
    let grant = account.create_grant(Caller::system(), grant).await.unwrap();
    let under = async |keys| {
        let database = Database::parse(&world.database.url).unwrap();
        registry_under(keys, &database, &world.clock, 1, Choices::default()).await
    };
    let next = || MasterKeys::new(NEXT).unwrap();
    let here = under(next().and(MASTER_KEY).unwrap()).await;
    let account = here.get(operator()).await.unwrap();
    assert_eq!(account.grants(None, None).len(), 2);
    assert_eq!(here.rewrap(|| ()).await, Ok(2));
    account.update_grant(Caller::system(), grant.id, Scopes::default()).await.unwrap();
    assert_eq!(account.verify_events().await.unwrap(), account.directory().version);
    let alone = under(next()).await.get(operator()).await.unwrap();
    alone.export(true, |_| Ok::<_, Error>(())).await.unwrap();
}
