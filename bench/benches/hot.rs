//! The hot functions, without HTTP: `cargo bench -p tenantry-bench`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use tenantry_accounts::{
    Catalogue, Choices, ClientSecret, Database, Demand, Lane, MasterKeys, Origin, Platform, Quotas, Registry, Schema, Source,
    TokenUse, Vault,
};
use tenantry_domain::{AccountId, Audience, PublicUrl, Scopes, Secret};

fn hot(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let system = actix_rt::System::new();
    let (registry, account, proof) = system.block_on(async {
        let database = Database::parse(&format!("sqlite://{}", directory.path().join("x.db").display())).expect("a URL");
        Schema::up(&database).await.expect("the schema");
        let source = Source::system();
        let store = database.open(4, true, &mut Catalogue::default()).await.expect("a store");
        let vault = Vault::new(MasterKeys::new(&source.bytes::<32>()).expect("a key"), source.clone());
        let wide: tenantry_domain::Quota = "1000000/1000000".parse().expect("a quota");
        let quotas = Quotas { address: wide, account: wide, client: wide, tree: wide };
        let choices = Choices { quotas: Some(quotas), ..Choices::default() };
        let public = PublicUrl::parse("https://id.example.com").expect("a URL");
        let platform = Arc::new(Platform::new(store, source, vault, public, choices));
        let made = platform.bootstrap().await.expect("a bootstrap").expect("a new database").test;
        let proof = ClientSecret { client_id: made.client_id, secret: Secret::new(made.client_secret) };
        (Registry::new(platform, 1), made.account_id, proof)
    });
    let audience = format!("https://id.example.com/v1/accounts/{account}");
    let operator = system.block_on(registry.get(account)).expect("the operator");
    let issue = || operator.client_credentials(&proof, &audience, None);
    let token = system.block_on(issue()).expect("a token").token;

    criterion.bench_function("client_credentials", |bencher| {
        bencher.iter(|| issue().now_or_never().expect("nothing to wait for").expect("a token"));
    });
    let demand = Demand::any(TokenUse::Access, &["admin:accounts", "read:accounts"], Lane::Ordinary, false);
    criterion.bench_function("guard, signature remembered", |bencher| {
        bencher.iter(|| {
            let admitted = registry.authenticate(Some(token.reveal()), account, demand, Origin::default());
            admitted.now_or_never().expect("nothing to wait for").expect("a call")
        });
    });

    let scopes = |names: &[&str]| Scopes::parse(names).expect("scopes");
    let (wide, narrow) =
        (scopes(&["admin:accounts", "admin:customers", "write:installers"]), scopes(&["read:accounts", "write:customers"]));
    criterion.bench_function("meet of scopes", |bencher| bencher.iter(|| black_box(&wide).meet(black_box(&narrow))));
    let public = PublicUrl::parse("https://id.example.com").expect("a URL");
    criterion.bench_function("audience", |bencher| bencher.iter(|| Audience::parse(black_box(&audience), &public)));
    criterion.bench_function("account id", |bencher| bencher.iter(|| black_box("T11200001").parse::<AccountId>()));
}

criterion_group!(benches, hot);
criterion_main!(benches);
