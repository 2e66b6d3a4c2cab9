//! Auth users (contract nos. 24-27): people with a name and a password.

use serde::{Deserialize, Serialize};
use tenantry_accounts::{UserFilter, imported_hash};
use tenantry_domain::{
    AccountId, AuthUser, AuthUserChange, AuthUserInput, Change, Channel, Checks, Credential, Link, Password, PublicUrl, Secret,
    Username,
};
use utoipa::ToSchema;

use crate::body::Json;
use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{Ok200, Page};
use crate::route::{ACCOUNTS_READ, ACCOUNTS_REPAIR, ACCOUNTS_WRITE, Policy, Route, USERS_WRITE, delete, get, post, put};
use crate::token_request::secret;
use crate::wire::Entity;

/// Changes of a user's name.
const RENAME: Policy = Policy::any_of(&["admin:accounts"]);

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{aid}/auth/users", ACCOUNTS_READ, list_users, "List users by filter"),
        post("/v1/accounts/{aid}/auth/users", USERS_WRITE, create_user, "Create a username/password credential"),
        post(
            "/v1/accounts/{aid}/auth/users:import",
            ACCOUNTS_WRITE,
            import_user,
            "Create a user whose password was hashed elsewhere",
        ),
        get("/v1/accounts/{aid}/auth/users/{username}", ACCOUNTS_READ, get_user, "Read one user"),
        put(
            "/v1/accounts/{aid}/auth/users/{username}",
            USERS_WRITE,
            update_user,
            "Set a new password and optionally links and second factor",
        ),
        delete("/v1/accounts/{aid}/auth/users/{username}", USERS_WRITE.reserved(), delete_user, "Remove a credential"),
        post("/v1/accounts/{aid}/auth/users/{username}/change_username", RENAME, change_username, "Rename a credential"),
        post(
            "/v1/accounts/{aid}/auth/users/{username}/disable",
            ACCOUNTS_REPAIR,
            disable_user,
            "Shut a user out; its sessions end",
        ),
        post("/v1/accounts/{aid}/auth/users/{username}/enable", ACCOUNTS_REPAIR, enable_user, "Let a user in again"),
    ]
}

async fn list_users(call: Call, Query(filter): Query<UserQuery>) -> Result<Page<UserView>> {
    let limit = query::limit(filter.limit)?;
    let after = query::optional("starting_after", filter.starting_after.as_deref())?;
    let users = call.account.users(&UserFilter { search: filter.search, after, limit: limit.into() }).await?;
    let views = users.iter().map(|user| UserView::new(user, &call)).collect();
    Ok(Page::new(views, limit, |user: &UserView| user.entity.id()))
}

async fn create_user(call: Call, Json(body): Json<AuthUserCreate>) -> Result<Ok200<UserView>> {
    let mut checks = Checks::default();
    let credential = checks.take("password", chosen(body.password)).map(Credential::Password);
    create(call, checks, body.username, credential, body.links, body.mfa).await
}

async fn import_user(call: Call, Json(body): Json<AuthUserImport>) -> Result<Ok200<UserView>> {
    let mut checks = Checks::default();
    let hash = body.password_hash.ok_or("is required".to_owned());
    let hash = checks.take("password_hash", hash.and_then(|hash| imported_hash(hash.reveal().to_owned())));
    create(call, checks, body.username, hash.map(Credential::Imported), body.links, body.mfa).await
}

async fn create(
    call: Call,
    mut checks: Checks,
    username: String,
    credential: Option<Credential>,
    given: Vec<AuthUserLink>,
    mfa: Option<AuthUserMfa>,
) -> Result<Ok200<UserView>> {
    let username = checks.take("username", username.parse());
    let links = links(&mut checks, &given, call.public(), call.account.id());
    let mfa = mfa.map(AuthUserMfa::channels);
    let input = (|| Some(AuthUserInput { username: username?, credential: credential?, links: links?, mfa }))();
    let user = call.account.create_user(call.caller.clone(), checks.done(input)?).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn get_user(call: Call, Id(name): Id<Username>) -> Result<Ok200<UserView>> {
    let user = call.account.user(&name).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn update_user(call: Call, Id(name): Id<Username>, Json(body): Json<AuthUserUpdate>) -> Result<Ok200<UserView>> {
    let mut checks = Checks::default();
    let password = checks.take("password", chosen(body.password));
    let links = body.links.map(|given| links(&mut checks, &given, call.public(), call.account.id()));
    let mfa = body.mfa.map(AuthUserMfa::channels);
    let change = password.map(|password| AuthUserChange { password, links: links.flatten(), mfa });
    let user = call.account.update_user(call.caller.clone(), name, checks.done(change)?).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn delete_user(call: Call, Id(name): Id<Username>) -> Result<Ok200<UserView>> {
    let user = call.account.delete_user(call.caller.clone(), name).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn change_username(call: Call, Id(name): Id<Username>, Json(body): Json<ChangeUsername>) -> Result<Ok200<UserView>> {
    let mut checks = Checks::default();
    let next = checks.take("username", body.username.parse());
    let user = call.account.rename_user(call.caller.clone(), name, checks.done(next)?).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn disable_user(call: Call, Id(name): Id<Username>) -> Result<Ok200<UserView>> {
    let user = call.account.enable_user(call.caller.clone(), name, false).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

async fn enable_user(call: Call, Id(name): Id<Username>) -> Result<Ok200<UserView>> {
    let user = call.account.enable_user(call.caller.clone(), name, true).await?;
    Ok(Ok200(UserView::new(&user, &call)))
}

/// Which users to list.
#[derive(Deserialize, ToSchema)]
struct UserQuery {
    /// What the username begins with, without regard to case.
    search: Option<String>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The last user of the page before.
    starting_after: Option<String>,
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"username": "ola@example.com", "password": "correct horse battery staple"}))]
struct AuthUserCreate {
    /// Unique among live users, without regard to case.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
    /// At least 8 characters of any kind, and none of those that everybody tries first.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 8, write_only)]
    password: Option<Secret>,
    /// What belongs to the user; needed for a second factor.
    #[serde(default)]
    #[schema(required = false)]
    links: Vec<AuthUserLink>,
    /// Turns the second factor on.
    #[schema(nullable = false)]
    mfa: Option<AuthUserMfa>,
}

/// A new user whose password was hashed elsewhere. The hash is replaced by one of ours when the user first logs in.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({
    "username": "kari@example.com",
    "password_hash": "$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
}))]
struct AuthUserImport {
    /// Unique among live users, without regard to case.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
    /// argon2, scrypt or PBKDF2 (SHA-256, SHA-512) in PHC form, or bcrypt.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, write_only)]
    password_hash: Option<Secret>,
    /// What belongs to the user; needed for a second factor.
    #[serde(default)]
    #[schema(required = false)]
    links: Vec<AuthUserLink>,
    /// Turns the second factor on.
    #[schema(nullable = false)]
    mfa: Option<AuthUserMfa>,
}

/// A change of a user; what is left out stays, but for the password.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"password": "another horse, another staple"}))]
struct AuthUserUpdate {
    /// At least 8 characters of any kind, and none of those that everybody tries first.
    #[serde(default, deserialize_with = "secret")]
    #[schema(required, value_type = String, min_length = 8, write_only)]
    password: Option<Secret>,
    /// All links; needed for a second factor.
    #[schema(required = false)]
    links: Option<Vec<AuthUserLink>>,
    /// The second factor; null turns it off.
    #[serde(default)]
    #[schema(value_type = AuthUserMfa, required = false)]
    mfa: Change<AuthUserMfa>,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"username": "ola.nordmann@example.com"}))]
struct ChangeUsername {
    /// Unique among live users, without regard to case.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
}

/// What belongs to a user elsewhere.
#[derive(Serialize, Deserialize, ToSchema)]
struct AuthUserLink {
    /// What it is.
    rel: Rel,
    /// URL of the customer, `tel:` or `mailto:`.
    href: String,
}

/// What a link leads to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthUserLinkRel)]
enum Rel {
    CustomersUser,
    PhoneNumber,
    Email,
}

impl Rel {
    const fn of(link: &Link) -> Self {
        match link {
            Link::Customer(_) => Self::CustomersUser,
            Link::Phone(_) => Self::PhoneNumber,
            Link::Email(_) => Self::Email,
        }
    }

    /// Reads what it leads to.
    fn link(self, href: &str, public: &PublicUrl, account: AccountId) -> std::result::Result<Link, String> {
        match self {
            Self::CustomersUser => Link::customer(href, public, account),
            Self::PhoneNumber => Link::phone(href),
            Self::Email => Link::email(href),
        }
    }
}

/// The second factor: a code over one of the user's channels.
#[derive(Serialize, Deserialize, ToSchema)]
struct AuthUserMfa {
    /// How it is shown.
    challenge_type: ChallengeType,
    /// The channels that the user may pick; each needs a matching link.
    #[serde(default)]
    #[schema(required = false)]
    oob_channels: Vec<OobChannel>,
}

/// How a second factor is shown: out of band.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChallengeType {
    Oob,
}

/// Where a code goes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "sms")]
pub(crate) enum OobChannel {
    #[default]
    Sms,
    Email,
}

impl From<OobChannel> for Channel {
    fn from(channel: OobChannel) -> Self {
        match channel {
            OobChannel::Sms => Self::Sms,
            OobChannel::Email => Self::Email,
        }
    }
}

impl From<Channel> for OobChannel {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Sms => Self::Sms,
            Channel::Email => Self::Email,
        }
    }
}

impl AuthUserMfa {
    /// Its channels, each once.
    fn channels(self) -> Vec<Channel> {
        let mut channels: Vec<Channel> = Vec::new();
        for channel in self.oob_channels.into_iter().map(Channel::from) {
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        channels
    }
}

fn chosen(password: Option<Secret>) -> std::result::Result<Password, String> {
    Password::chosen(password.ok_or("is required")?.reveal().to_owned())
}

fn links(checks: &mut Checks, given: &[AuthUserLink], public: &PublicUrl, account: AccountId) -> Option<Vec<Link>> {
    const MAX: usize = 10;
    if given.len() > MAX {
        checks.fault("links", format!("must have at most {MAX} entries"));
        return None;
    }
    let mut links: Vec<Link> = Vec::new();
    for (at, link) in given.iter().enumerate() {
        if links.iter().any(|other| Rel::of(other) == link.rel) {
            checks.fault(format!("links[{at}].rel"), "must be there once");
        }
        links.extend(checks.take(&format!("links[{at}].href"), link.rel.link(&link.href, public, account)));
    }
    (links.len() == given.len()).then_some(links)
}

/// A user as it is answered.
#[derive(Serialize, ToSchema)]
#[schema(as = AuthUser)]
struct UserView {
    #[serde(flatten)]
    entity: Entity,
    /// What it is called.
    #[schema(min_length = 1, max_length = 255)]
    username: String,
    /// What belongs to it.
    #[schema(required = false)]
    links: Vec<AuthUserLink>,
    /// Its second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa: Option<AuthUserMfa>,
    /// Whether an app that shows codes is its second factor, too.
    totp: bool,
    /// Whether it may log in.
    enabled: bool,
}

impl UserView {
    fn new(user: &AuthUser, call: &Call) -> Self {
        let link = |link: &Link| {
            let href = link.href(call.public(), call.account.id());
            AuthUserLink { rel: Rel::of(link), href }
        };
        let mfa = |channels: &Vec<Channel>| AuthUserMfa {
            challenge_type: ChallengeType::Oob,
            oob_channels: channels.iter().copied().map(Into::into).collect(),
        };
        Self {
            entity: Entity::new(user.id.0, &user.stamp),
            username: user.username.to_string(),
            links: user.links.iter().map(link).collect(),
            mfa: user.mfa.as_ref().map(mfa),
            totp: user.totp.as_ref().is_some_and(|totp| totp.confirmed),
            enabled: user.enabled,
        }
    }
}
