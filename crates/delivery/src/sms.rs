//! Text messages through a gateway that speaks Twilio's API: a form is posted to `/2010-04-01/Accounts/{account}/Messages.json`.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::redirect::Policy;
use url::Url;

use crate::{Again, Failure, Letter, Sms};

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The gateway.
pub(crate) struct Gateway {
    http: reqwest::Client,
    url: Url,
    sms: Sms,
}

impl Gateway {
    pub(crate) fn new(sms: Sms) -> Result<Self, Failure> {
        let wrong = || Failure::Setting("sms_url must be http(s)://HOST".to_owned());
        let mut url = Url::parse(&sms.url).ok().filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(wrong)?;
        let mut path = url.path_segments_mut().map_err(|()| wrong())?;
        path.pop_if_empty().extend(["2010-04-01", "Accounts", sms.account.as_str(), "Messages.json"]);
        drop(path);
        let http = reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).build();
        let http = http.map_err(|error| Failure::Setting(format!("no HTTP client: {error}")))?;
        Ok(Self { http, url, sms })
    }

    /// Whether it is there and knows the account.
    pub(crate) async fn try_out(&self) -> Result<(), Failure> {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().pop().push(&format!("{}.json", self.sms.account));
        }
        let request = self.http.get(url).basic_auth(&self.sms.account, Some(self.sms.token.reveal()));
        let failed = |error: reqwest::Error| if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        let answer = request.send().await.map_err(|error| Failure::Sms(failed(error).to_owned(), Again::Later))?;
        match answer.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(Failure::Sms("does not take sms_account and sms_token".to_owned(), Again::Never))
            }
            status if status.is_server_error() => Err(Failure::Sms(format!("answered {}", status.as_u16()), Again::Later)),
            // Others that speak the same may not have this page.
            _ => Ok(()),
        }
    }

    pub(crate) async fn send(&self, letter: &Letter) -> Result<(), Failure> {
        let form = [("To", letter.to.as_str()), ("From", self.sms.from.as_str()), ("Body", letter.text.as_str())];
        let request = self.http.post(self.url.clone()).basic_auth(&self.sms.account, Some(self.sms.token.reveal())).form(&form);
        let failed = |error: reqwest::Error| if error.is_timeout() { "did not answer in time" } else { "cannot be reached" };
        let answer = request.send().await.map_err(|error| Failure::Sms(failed(error).to_owned(), Again::Later))?;
        // What the gateway says of a number that is none.
        let again = if answer.status() == StatusCode::BAD_REQUEST { Again::Never } else { Again::Later };
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Failure::Sms(format!("answered {}", status.as_u16()), again)),
        }
    }
}
