//! Somebody with a token on an account.

use reqwest::Method;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{TestApp, audience, member};

/// A token, and the account that it is for.
#[derive(Clone)]
pub struct Tenant<'a> {
    /// The server.
    pub app: &'a TestApp,
    /// The account.
    pub account: String,
    /// The token.
    pub token: String,
}

/// What users of tests choose.
pub const PASSWORD: &str = "correct horse battery staple";

/// A client that brings people's passwords.
pub struct AppClient<'a> {
    /// Its own token.
    pub tenant: Tenant<'a>,
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The grant for its people.
    pub grant: String,
}

impl<'a> AppClient<'a> {
    /// Brings a password.
    pub async fn bring(&self, username: &str, password: &str) -> Answer {
        let audience = audience(&self.tenant.account);
        let body = json!({"grant_type": "password", "username": username, "password": password, "audience": audience});
        self.tenant.post("auth/token", body).await
    }

    /// Logs a user in that has [`PASSWORD`], and yields the answer.
    pub async fn log_in(&self, username: &str) -> Value {
        self.bring(username, PASSWORD).await.ok()
    }

    /// Brings a one-time code.
    pub async fn bring_code(&self, ident_type: &str, ident: &str, code: &str) -> Answer {
        let body = json!({"grant_type": "authorization_code", "ident_type": ident_type, "ident": ident,
            "verification_code": code, "audience": audience(&self.tenant.account)});
        self.tenant.post("auth/token", body).await
    }

    /// Asks for a code for a customer, with `more` beside the address.
    pub async fn ask_code(&self, email: &str, more: Value) -> Answer {
        let mut body = json!({"client_id": self.id, "audience": audience(&self.tenant.account), "connection": "email",
            "email": email});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        self.tenant.post("auth/passwordless", body).await
    }

    /// A code to hand over.
    pub async fn hand_code(&self, user_id: &str) -> Answer {
        let body = json!({"client_id": self.id, "audience": audience(&self.tenant.account), "user_id": user_id});
        self.tenant.post("auth/passwordless/code", body).await
    }

    /// Trades a refresh token.
    pub async fn renew(&self, refresh_token: &str) -> Answer {
        self.tenant.post("auth/token", json!({"grant_type": "refresh_token", "refresh_token": refresh_token})).await
    }

    /// The person behind an answer of the token endpoint.
    pub fn person(&self, token: &Value) -> Tenant<'a> {
        self.tenant.app.holder(&self.tenant.account, &member(token, "access_token"))
    }
}

impl<'a> Tenant<'a> {
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/v1/accounts/{}/{path}", self.account) };
        let mut request = self.app.request(method, &path).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.app.send(request).await
    }

    /// GET; a path without a leading slash is below the account.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    /// POST.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(&body)).await
    }

    /// POST without a body.
    pub async fn post_empty(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None).await
    }

    /// PUT.
    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path, Some(&body)).await
    }

    /// PATCH.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(&body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// DELETE with a body.
    pub async fn delete_with(&self, path: &str, body: Value) -> Answer {
        self.call(Method::DELETE, path, Some(&body)).await
    }

    /// HEAD: the status.
    pub async fn head(&self, path: &str) -> u16 {
        self.call(Method::HEAD, path, None).await.status
    }

    /// Creates an account below.
    pub async fn create_account(&self, body: Value) -> Answer {
        self.post("management/accounts", body).await
    }

    /// Creates a sub-account and yields its id.
    pub async fn sub_account(&self, name: &str) -> String {
        member(&self.create_account(json!({"display_name": name})).await.ok(), "account_id")
    }

    /// The first step of an exchange.
    pub async fn exchange(&self, target: &str) -> Answer {
        self.post("auth/exchange_token", json!({"account_id": target})).await
    }

    /// Both steps of an exchange.
    pub async fn enter(&self, target: &str) -> Tenant<'a> {
        let ticket = member(&self.exchange(target).await.ok(), "access_token");
        let token = member(&self.app.redeem(target, &ticket).await.ok(), "access_token");
        Tenant { app: self.app, account: target.to_owned(), token }
    }

    /// A new client of this account and its secret, without a grant.
    pub async fn bare_client(&self) -> (String, String) {
        let client = self.post("auth/clients", json!({})).await.ok();
        (member(&client, "client_id"), member(&client, "client_secret"))
    }

    /// Grants scopes for the account's own audience and yields the grant's id.
    pub async fn grant(&self, client_id: &str, scope: &[&str]) -> String {
        let body = json!({"client_id": client_id, "audience": audience(&self.account), "scope": scope});
        member(&self.post("auth/client-grants", body).await.ok(), "id")
    }

    /// A new client of this account with these scopes and its own token.
    pub async fn client(&self, scope: &[&str]) -> Tenant<'a> {
        let (id, secret) = self.bare_client().await;
        self.grant(&id, scope).await;
        self.app.login(&self.account, &id, &secret).await
    }

    /// Creates a user with [`PASSWORD`].
    pub async fn user(&self, name: &str) -> Value {
        self.post("auth/users", json!({"username": name, "password": PASSWORD})).await.ok()
    }

    /// Creates a customer and yields its `customer_id`.
    pub async fn customer(&self, body: Value) -> String {
        member(&self.post("customers/users", body).await.ok(), "customer_id")
    }

    /// A new client that may bring passwords and codes, whose people get these scopes, with its own token and its secret.
    pub async fn app_client(&self, own: &[&str], persons: &[&str]) -> AppClient<'a> {
        let client = self.post("auth/clients", json!({"callbacks": ["https://shop.example/back?x=1"]})).await.ok();
        let (id, secret) = (member(&client, "client_id"), member(&client, "client_secret"));
        self.grant_of("client_credentials", &id, own).await;
        let grant = self.grant_of("password", &id, persons).await;
        self.grant_of("authorization_code", &id, persons).await;
        let tenant = self.app.login(&self.account, &id, &secret).await;
        AppClient { tenant, id, secret, grant }
    }

    async fn grant_of(&self, kind: &str, client_id: &str, scope: &[&str]) -> String {
        let audience = audience(&self.account);
        let body = json!({"client_id": client_id, "audience": audience, "scope": scope, "type": kind});
        member(&self.post("auth/client-grants", body).await.ok(), "id")
    }

    /// Creates a role and yields its id.
    pub async fn role(&self, name: &str) -> String {
        member(&self.post("auth/roles", json!({"name": name, "scope": ["read:accounts"]})).await.ok(), "id")
    }

    /// The account's events, all of them.
    pub async fn events(&self) -> Vec<Value> {
        let (mut events, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("management/events?limit=100{after}")).await;
            events.extend(page.ok().as_array().cloned().unwrap_or_default());
            match page.header("paging-token") {
                "" => return events,
                next => after = format!("&starting_after={next}"),
            }
        }
    }
}
