//! Every key begins with the account (architecture 5.1).

use sea_orm::{ConnectionTrait, Statement};
use tenantry_test_database::TestDatabase;

use super::World;

/// The exceptions: the account itself, this installation, what its processes have agreed on, and the list of migrations.
const NAMED: [&str; 4] = ["account", "instance", "lease", "seaql_migrations"];

#[actix_rt::test]
async fn the_list_of_tables_has_every_table() {
    let world = World::new().await;
    let db = &world.registry.platform().store.read;
    let query = if TestDatabase::is_postgres() {
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
    } else {
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), query)).await.unwrap();
    let mut names: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
    names.retain(|name| name != "seaql_migrations");
    assert_eq!(names, tenantry_entity::TABLES);
}

#[actix_rt::test]
async fn the_account_leads_every_key_unique_index_and_foreign_key() {
    let world = World::new().await;
    let db = &world.registry.platform().store.read;
    // Table, kind and first column of every key.
    let query = if TestDatabase::is_postgres() {
        "SELECT t.relname, 'index', a.attname FROM pg_index i
           JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
           WHERE n.nspname = 'public' AND (i.indisunique OR i.indisprimary)
         UNION ALL
         SELECT t.relname, 'foreign', a.attname FROM pg_constraint c
           JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
           JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.conkey[1]
           WHERE n.nspname = 'public' AND c.contype = 'f'"
    } else {
        "SELECT m.name, 'index', c.name FROM sqlite_master m, pragma_index_list(m.name) l, pragma_index_info(l.name) c
           WHERE m.type = 'table' AND l.\"unique\" = 1 AND c.seqno = 0
         UNION ALL
         SELECT m.name, 'foreign', f.\"from\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
           WHERE m.type = 'table' AND f.seq = 0"
    };
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), query)).await.unwrap();
    let mut owned = 0;
    for row in rows {
        let [table, kind, column]: [String; 3] = [0, 1, 2].map(|at| row.try_get_by_index(at).unwrap());
        if !NAMED.contains(&table.as_str()) {
            assert_eq!(column, "account_id", "{kind} of {table}");
            owned += 1;
        }
    }
    assert!(owned >= 15, "only {owned} keys were looked at");
}
