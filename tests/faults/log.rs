//! The accounts' logs in the tables: every acknowledged change is told, none twice, and the chain of hashes stands.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tenantry_tests::TestDatabase;

use crate::ledger::Told;

/// What the writers do, as events. What they do only beside that is not counted.
const KINDS: &str = "'role.created', 'role.updated', 'role.deleted', 'client.created', 'client.deleted', 'customer.created', \
                     'customer.deleted'";
/// The role and the client that were there before they began.
const BEFORE: u64 = 2;

/// Reads the log of an account: what is wrong with it. `done` are the changes that were acknowledged, kind and record.
pub(crate) async fn read(database: &TestDatabase, account: &str, told: Told, done: impl Iterator<Item = String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let contents = format!("SELECT content FROM event WHERE account_id = '{account}' AND kind IN ({KINDS})");
    let events = database.column(&contents).await;
    // Of a customer the log has the key; whoever made it knows its id.
    let key = if database.url.starts_with("sqlite") { "hex(id)" } else { "id::text" };
    let keys = format!("SELECT {key} || ' ' || customer_id FROM customer WHERE account_id = '{account}'");
    let keys = database.column(&keys).await;
    let customers: HashMap<String, &str> =
        keys.iter().filter_map(|row| row.split_once(' ')).map(|(key, id)| (plain(key), id)).collect();
    let least = told.sure + BEFORE;
    if !(least..=least + told.unsure).contains(&(events.len() as u64)) {
        wrong.push(format!(
            "{} changes were acknowledged, {} are unsure, {} are in the log",
            told.sure,
            told.unsure,
            events.len()
        ));
    }
    let read = |content: &String| {
        let content: Value = serde_json::from_str(content).expect("an event is JSON");
        let text = |name: &str| content[name].as_str().unwrap_or_default().to_owned();
        let target = text("target");
        format!("{} {}", text("kind"), customers.get(&plain(&target)).copied().unwrap_or(&target))
    };
    let events: HashSet<String> = events.iter().map(read).collect();
    wrong.extend(done.filter(|event| !events.contains(event)).map(|event| format!("{event} is not in the log")));
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

/// An id without what stands between its digits.
fn plain(id: &str) -> String {
    id.replace('-', "").to_lowercase()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at: usize| hex.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..hex.len()).step_by(2).map_while(digits).collect()
}
