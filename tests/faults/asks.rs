//! Somebody with a token, who asks the server wherever it is now.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Longer than any fault lasts: a write that its caller has given up could still come about, and after a later one.
const PATIENCE: Duration = Duration::from_mins(1);

/// The status where there was no answer.
pub(crate) const SILENCE: u16 = 0;
/// The status where there was nobody to ask.
pub(crate) const NOBODY: u16 = 1;

/// What was answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    /// Where the next page begins, where there is one.
    pub(crate) next: Option<String>,
}

impl Answer {
    pub(crate) fn text(&self, name: &str) -> String {
        self.body[name].as_str().unwrap_or_default().to_owned()
    }

    /// The answer, which must be a good one.
    pub(crate) fn good(self) -> Self {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self
    }
}

/// A fault of ours is told in words that say nothing of it, and by the number under which the log does.
fn tells_nothing_of_the_inside(body: &Value) {
    let Some(error) = body["error"].as_object() else { return };
    let rest = error["message"].as_str().and_then(|message| message.strip_prefix("Something went wrong on our side"));
    assert!(matches!(rest, Some("." | "; the change may or may not have been made.")), "{body}");
    let names: Vec<_> = error.keys().map(String::as_str).collect();
    assert_eq!((names, body.as_object().map_or(0, serde_json::Map::len)), (vec!["code", "message", "request_id"], 1), "{body}");
}

/// Where the server is: another port after each start.
pub(crate) type Front = Rc<RefCell<String>>;

/// A client of one account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Asks {
    http: Client,
    front: Front,
    pub(crate) account: String,
    credentials: Rc<Value>,
    token: Rc<RefCell<String>>,
}

impl Asks {
    /// Logs in with what `bootstrap` or the creation of a client told.
    pub(crate) async fn of(front: &Front, credentials: Value) -> Self {
        let http = Client::builder().timeout(PATIENCE).build().expect("an HTTP client");
        let account = credentials["account_id"].as_str().expect("an account").to_owned();
        let asks = Self { http, front: front.clone(), account, credentials: Rc::new(credentials), token: Rc::default() };
        asks.log_in().await;
        asks
    }

    /// The same, on another account with a token for that one.
    fn inside(&self, account: &str, token: String) -> Self {
        Self { account: account.to_owned(), token: Rc::new(RefCell::new(token)), ..self.clone() }
    }

    /// A token for these credentials of the account, where it is given.
    pub(crate) async fn token(&self, credentials: &Value) -> Option<String> {
        let body = json!({"grant_type": "client_credentials", "audience": audience(&self.account)});
        let id = credentials["client_id"].as_str().unwrap_or_default();
        let request = self.http.post(self.url("auth/token")).basic_auth(id, credentials["client_secret"].as_str()).json(&body);
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        answer["access_token"].as_str().map(str::to_owned)
    }

    /// Another token of the account's own client.
    pub(crate) async fn new_token(&self) -> Option<String> {
        self.token(&self.credentials).await
    }

    async fn log_in(&self) {
        if let Some(token) = self.new_token().await {
            self.token.replace(token);
        }
    }

    /// Asks; a path is below the account.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.token.borrow().clone();
        let answer = self.send_as(&token, method, path, body).await;
        if answer.status == 401 {
            // Its key was taken back: the next one works again.
            self.log_in().await;
        }
        answer
    }

    /// The same with this token.
    pub(crate) async fn send_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => {
                let status = if error.is_connect() { NOBODY } else { SILENCE };
                return Answer { status, body: Value::Null, next: None };
            }
        };
        let status = answer.status().as_u16();
        let next = answer.headers().get("paging-token").and_then(|next| next.to_str().ok()).map(str::to_owned);
        // Its end may be missing; what it says is said by the status.
        let body = answer.json().await.unwrap_or_default();
        if status == 500 {
            tells_nothing_of_the_inside(&body);
        }
        Answer { status, body, next }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/v1/accounts/{}/{path}", self.front.borrow(), self.account)
    }

    /// Makes a partner below the operator, and a client in it that may do what the writers do.
    pub(crate) async fn partner(&self, account: &str) -> Self {
        let post = async |asks: &Self, path: &str, body: Value| asks.send(Method::POST, path, Some(body)).await.good();
        post(self, "management/accounts", json!({"display_name": account, "account_id": account})).await;
        let ticket = post(self, "auth/exchange_token", json!({"account_id": account})).await.text("access_token");
        let inside = self.inside(account, ticket);
        let redeemed = json!({"grant_type": "client_credentials", "audience": audience(account)});
        let token = post(&inside, "auth/token", redeemed).await.text("access_token");
        let inside = self.inside(account, token);
        let mut credentials = post(&inside, "auth/clients", json!({})).await.body;
        let scope = ["admin:accounts", "admin:customers"];
        let grant = json!({"client_id": credentials["client_id"], "audience": audience(account), "scope": scope});
        post(&inside, "auth/client-grants", grant).await;
        credentials["account_id"] = json!(account);
        Self::of(&self.front, credentials).await
    }
}

/// The audience of an account.
pub(crate) fn audience(account: &str) -> String {
    format!("https://id.example.com/v1/accounts/{account}")
}
