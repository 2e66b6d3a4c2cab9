//! An answer, and what may be expected of it.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Answer {
    pub(crate) async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The body as JSON; null if there is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Expects 200 and yields the body.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Expects a refusal with this status and code.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, self.json()["error"]["code"].as_str()), (status, Some(code)), "{}", self.text);
        self
    }

    /// Expects 400 `invalid_request` with a finding about `field`.
    #[track_caller]
    pub fn names(&self, field: &str) -> &Self {
        self.refused(400, "invalid_request");
        let fields: Vec<String> =
            self.json()["error"]["errors"].as_array().into_iter().flatten().map(|e| text(&e["field"])).collect();
        assert!(fields.iter().any(|found| found == field), "{field} is not among {fields:?}");
        self
    }

    /// All that is told: the status, the body, and the headers but for those that differ from one answer to the next by
    /// themselves, or from one worker to the next.
    pub fn told(&self) -> (u16, &str, Vec<(&str, &[u8])>) {
        let own = |name: &str| matches!(name, "date" | "x-request-id" | "ratelimit" | "access-control-expose-headers");
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let mut headers: Vec<_> = headers.filter(|(name, _)| !own(name)).collect();
        headers.sort_unstable();
        (self.status, &self.text, headers)
    }

    /// A header, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A JSON string's text.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
