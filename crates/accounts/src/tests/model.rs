//! Invariant 11: after any sequence of commands, the snapshot in memory is what a reload from SQL gives, every
//! acknowledged write has its event, and the outcome of each command is what a plain model of it says.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use sea_orm::{ConnectionTrait, Statement};
use tenantry_domain::{AccountChange, AccountInput, Audience, ClientInput, Error, GrantInput, GrantType, RoleInput, Scopes};

use tenantry_test_database::TestDatabase;

use super::World;
use crate::{Account, Caller, Directory};

/// What somebody may ask of an account. Numbers choose among names, so that commands meet.
#[derive(Debug, Clone)]
enum Command {
    CreateRole(u8),
    RenameRole(u8, u8),
    DeleteRole(u8),
    CreateClient(u8),
    RotateSecret(u8),
    DeleteClient(u8),
    CreateGrant(u8, bool),
    NarrowGrant(u8, bool),
    DeleteGrant(u8, bool),
    CreateAccount(u8),
    ChangeSettings(bool),
}

/// The model: names that are taken, and nothing more.
#[derive(Debug, Clone, Default)]
struct Model {
    roles: BTreeSet<u8>,
    clients: BTreeSet<u8>,
    used_clients: BTreeSet<u8>,
    grants: BTreeSet<(u8, bool)>,
    accounts: BTreeSet<u8>,
}

impl Model {
    /// Whether the command must succeed; changes the model if so.
    fn run(&mut self, command: &Command) -> bool {
        match *command {
            Command::CreateRole(name) => self.roles.insert(name),
            Command::RenameRole(from, to) => {
                let may = self.roles.contains(&from) && (from == to || !self.roles.contains(&to));
                if may {
                    self.roles.remove(&from);
                    self.roles.insert(to);
                }
                may
            }
            Command::DeleteRole(name) => self.roles.remove(&name),
            Command::CreateClient(name) => self.used_clients.insert(name) && self.clients.insert(name),
            Command::RotateSecret(name) => self.clients.contains(&name),
            Command::DeleteClient(name) => {
                self.grants.retain(|(client, _)| *client != name);
                self.clients.remove(&name)
            }
            Command::CreateGrant(client, own) => self.clients.contains(&client) && self.grants.insert((client, own)),
            Command::NarrowGrant(client, own) => self.grants.contains(&(client, own)),
            Command::DeleteGrant(client, own) => self.grants.remove(&(client, own)),
            Command::CreateAccount(number) => self.accounts.insert(number),
            Command::ChangeSettings(_) => true,
        }
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Command> {
        let name = 0..6_u8;
        prop_oneof![
            3 => name.clone().prop_map(Command::CreateRole),
            2 => (name.clone(), name.clone()).prop_map(|(from, to)| Command::RenameRole(from, to)),
            1 => name.clone().prop_map(Command::DeleteRole),
            3 => name.clone().prop_map(Command::CreateClient),
            1 => name.clone().prop_map(Command::RotateSecret),
            1 => name.clone().prop_map(Command::DeleteClient),
            4 => (name.clone(), any::<bool>()).prop_map(|(client, own)| Command::CreateGrant(client, own)),
            2 => (name.clone(), any::<bool>()).prop_map(|(client, own)| Command::NarrowGrant(client, own)),
            1 => (name.clone(), any::<bool>()).prop_map(|(client, own)| Command::DeleteGrant(client, own)),
            2 => name.prop_map(Command::CreateAccount),
            1 => any::<bool>().prop_map(Command::ChangeSettings),
        ]
        .boxed()
    }

    fn apply(mut state: Self, command: &Command) -> Self {
        state.run(command);
        state
    }
}

/// The real thing, beside a model of its own that tells what must succeed.
struct Real {
    system: actix_rt::SystemRunner,
    world: World,
    account: Account,
    model: Model,
    version: i64,
}

struct Test;

impl StateMachineTest for Test {
    type SystemUnderTest = Real;
    type Reference = Model;

    fn init_test(_: &Model) -> Real {
        let system = actix_rt::System::new();
        let world = system.block_on(World::new());
        let account = system.block_on(world.operator());
        let version = account.directory().version;
        Real { system, world, account, model: Model::default(), version }
    }

    fn apply(mut real: Real, _: &Model, command: Command) -> Real {
        let outcome = real.system.block_on(run(&real.account, &command));
        assert_eq!(outcome.is_ok(), real.model.run(&command), "{command:?}: {outcome:?}");
        real.version += i64::from(outcome.is_ok());
        real
    }

    fn check_invariants(real: &Real, model: &Model) {
        let published = real.account.directory();
        let db = &real.world.registry.platform().store.read;
        let stored = real.system.block_on(Directory::load(db, real.account.id())).unwrap().unwrap();
        assert_eq!(*published, stored);
        assert_eq!(published.version, real.version, "each success is one version, each refusal none");
        assert_eq!(real.system.block_on(real.account.verify_events()).unwrap(), real.version);
        if !TestDatabase::is_postgres() {
            // The writer does not look these up.
            let broken = Statement::from_string(db.get_database_backend(), "PRAGMA foreign_key_check");
            assert_eq!(real.system.block_on(db.query_all_raw(broken)).unwrap().len(), 0);
        }
        let shape: BTreeMap<_, _> =
            [("roles", model.roles.len()), ("clients", model.clients.len()), ("grants", model.grants.len())].into();
        let bootstrap = 1;
        assert_eq!(published.roles.len(), shape["roles"]);
        assert_eq!(published.clients.len(), shape["clients"] + bootstrap);
        assert_eq!(published.grants.len(), shape["grants"] + bootstrap);
    }
}

async fn run(account: &Account, command: &Command) -> Result<(), Error> {
    let by = Caller::system();
    let role = |name: u8| RoleInput { name: format!("Role {name}").parse().ok(), description: None, scope: Scopes::default() };
    let role_id = |name: u8| {
        let directory = account.directory();
        let found = directory.roles.values().find(|role| role.name_key() == Some(format!("role {name}")));
        found.map_or_else(|| tenantry_domain::RoleId(uuid::Uuid::nil()), |role| role.id)
    };
    let client = |name: u8| format!("client-{name}");
    let audience = |own: bool| {
        if own { Audience::Account(account.id()) } else { Audience::Elsewhere("https://elsewhere.example/".into()) }
    };
    let grant_id = |name: u8, own: bool| {
        let directory = account.directory();
        let name = client(name);
        let mut grants = directory.grants.values();
        let found = grants.find(|grant| grant.client_id.as_str() == name && grant.audience == audience(own));
        found.map_or_else(|| tenantry_domain::GrantId(uuid::Uuid::nil()), |grant| grant.id)
    };
    match *command {
        Command::CreateRole(name) => account.create_role(by, role(name)).await.map(drop),
        Command::RenameRole(from, to) => account.update_role(by, role_id(from), role(to)).await.map(drop),
        Command::DeleteRole(name) => account.delete_role(by, role_id(name)).await.map(drop),
        Command::CreateClient(name) => {
            let input = ClientInput { client_id: client(name).parse().ok(), ..Default::default() };
            account.create_client(by, input).await.map(drop)
        }
        Command::RotateSecret(name) => account.rotate_client_secret(by, client(name), i64::from(name) * 60).await.map(drop),
        Command::DeleteClient(name) => account.delete_client(by, client(name)).await.map(drop),
        Command::CreateGrant(name, own) => {
            let scope = Scopes::parse_claim("read:accounts write:accounts").unwrap();
            let (client_id, kind) = (client(name).parse().unwrap(), GrantType::Any);
            let input = GrantInput { client_id, audience: audience(own), scope, kind, oidc: None };
            account.create_grant(by, input).await.map(drop)
        }
        Command::NarrowGrant(name, own) => {
            let scope = Scopes::parse_claim("read:accounts").unwrap();
            account.update_grant(by, grant_id(name, own), scope).await.map(drop)
        }
        Command::DeleteGrant(name, own) => account.delete_grant(by, grant_id(name, own)).await.map(drop),
        Command::CreateAccount(number) => {
            let account_id = account.id().child(u32::from(number) + 1);
            let input = AccountInput { display_name: "x".parse().unwrap(), account_id, company: None, language_code: None };
            account.create_account(by, input).await.map(drop)
        }
        Command::ChangeSettings(partner_access) => {
            let change = AccountChange { partner_access: Some(partner_access), ..Default::default() };
            account.update_settings(by, change).await.map(drop)
        }
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_snapshot_is_what_a_reload_gives(sequential 1..40 => Test);
}
