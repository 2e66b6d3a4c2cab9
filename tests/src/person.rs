//! An account user: somebody who administers accounts.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::app::{TestApp, member};
use crate::tenant::{PASSWORD, Tenant};

/// Somebody who is signed in.
pub struct Person<'a> {
    /// The server.
    pub app: &'a TestApp,
    /// What says who it is.
    pub token: String,
    /// The session, `name=value`.
    pub cookie: String,
}

impl TestApp {
    /// Signs in by address and password.
    pub async fn sign_in(&self, email: &str, password: &str) -> Answer {
        let body = json!({"email": email, "password": password});
        self.send(self.request(Method::POST, "/v1/account/login").json(&body)).await
    }

    /// The link in the one message that was put out since somebody last asked: its token.
    pub async fn password_token(&self) -> String {
        let messages = self.messages().await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        let text = member(&messages[0], "text");
        let link = text.split_whitespace().find(|word| word.contains("/account/password?token=")).expect("a link");
        link.split_once("token=").expect("it has a token").1.to_owned()
    }

    /// Chooses a password with what stood in a link.
    pub async fn choose_password(&self, token: &str, password: &str) -> Answer {
        let body = json!({"token": token, "password": password});
        self.send(self.request(Method::POST, "/v1/account/password").json(&body)).await
    }
}

impl<'a> Tenant<'a> {
    /// Invites somebody with these scopes and roles, who chooses [`PASSWORD`] and signs in.
    pub async fn person(&self, email: &str, scope: &[&str], roles: &[&str]) -> Person<'a> {
        let roles: Vec<Value> = roles.iter().map(|id| json!({"id": id})).collect();
        self.post("management/users", json!({"email": email, "scope": scope, "roles": roles})).await.ok();
        let token = self.app.password_token().await;
        assert_eq!(self.app.choose_password(&token, PASSWORD).await.status, 204);
        Person::new(self.app, &self.app.sign_in(email, PASSWORD).await)
    }
}

impl<'a> Person<'a> {
    /// Whoever is told so.
    pub fn new(app: &'a TestApp, signed_in: &Answer) -> Self {
        let token = member(&signed_in.ok(), "access_token");
        let cookie = signed_in.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        Self { app, token, cookie }
    }

    /// A request with what says who it is.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.app.request(method, path).bearer_auth(&self.token)
    }

    /// A request with the session's cookie.
    pub async fn with_cookie(&self, path: &str) -> Answer {
        self.app.send(self.app.request(Method::POST, path).header("cookie", &self.cookie)).await
    }

    /// Asks for a token on an account.
    pub async fn ask_token(&self, account: &str) -> Answer {
        let body = json!({"grant_type": "account_user"});
        self.app.send(self.request(Method::POST, &format!("/v1/accounts/{account}/auth/token")).json(&body)).await
    }

    /// Enters an account.
    pub async fn enter(&self, account: &str) -> Tenant<'a> {
        let token = self.ask_token(account).await.ok();
        self.app.holder(account, &member(&token, "access_token"))
    }
}
