//! The accounts' logs in the tables: every acknowledged change is told, none twice, and the chain of hashes stands.

use sha2::{Digest, Sha256};
use tenantry_tests::TestDatabase;

use crate::ledger::Told;

/// What the writers do, as events. What they do only beside that is not counted.
const KINDS: &str = "'role.created', 'role.updated', 'role.deleted', 'client.created', 'client.deleted', 'customer.created', \
                     'customer.deleted'";
/// The role and the client that were there before they began.
const BEFORE: u64 = 2;

/// Reads the log of an account: what is wrong with it.
pub(crate) async fn read(database: &TestDatabase, account: &str, told: Told) -> Vec<String> {
    let mut wrong = Vec::new();
    let count = format!("SELECT CAST(count(*) AS text) FROM event WHERE account_id = '{account}' AND kind IN ({KINDS})");
    let events: u64 = database.column(&count).await.concat().parse().expect("a number");
    let least = told.sure + BEFORE;
    if !(least..=least + told.unsure).contains(&events) {
        wrong.push(format!("{} changes were acknowledged, {} are unsure, {events} are in the log", told.sure, told.unsure));
    }
    let hex = |column: &str| {
        if database.url.starts_with("sqlite") { format!("hex({column})") } else { format!("upper(encode({column}, 'hex'))") }
    };
    let row = ["hash", "content_hash", "salt"].map(hex).join(" || ' ' || ");
    let chain =
        format!("SELECT {row} || ' ' || content FROM event WHERE account_id = '{account}' AND seq IS NOT NULL ORDER BY seq");
    let (mut head, mut seq) = (vec![0; 32], 0_i64);
    for event in database.column(&chain).await {
        seq += 1;
        let mut parts = event.splitn(4, ' ');
        let [hash, content_hash, salt] = [(); 3].map(|()| bytes(parts.next().unwrap_or_default()));
        let content = parts.next().unwrap_or_default();
        let told = Sha256::new().chain_update(&salt).chain_update(content).finalize();
        head = Sha256::new().chain_update(&head).chain_update(seq.to_be_bytes()).chain_update(&content_hash).finalize().to_vec();
        if told[..] != content_hash[..] || head != hash {
            wrong.push(format!("the chain of the log breaks at event {seq}"));
            return wrong;
        }
    }
    let version = database.column(&format!("SELECT CAST(version AS text) FROM account WHERE id = '{account}'")).await.concat();
    if version != seq.to_string() {
        wrong.push(format!("version {version} has {seq} events"));
    }
    wrong
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..hex.len()).step_by(2).map_while(digits).collect()
}
