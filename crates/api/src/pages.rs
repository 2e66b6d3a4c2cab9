//! Pages that letters lead to: made by the server, without scripts (contract section 9).

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, LOCATION};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};
use tenantry_accounts::{Account, Caller, Link};
use tenantry_domain::{AccountId, Error, Password, Secret};

use crate::call::{Unproven, origin};
use crate::error::{ApiError, Result};
use crate::passwordless::AuthorizeQuery;
use crate::query::Query;
use crate::route::{Access, Route, page, page_post};
use crate::token_request::{FormOrJson, secret};

/// All pages look alike: what differs stands in a template of its own.
const TEMPLATES: [(&str, &str); 4] = [
    ("page.html", include_str!("../pages/page.html")),
    ("password.html", include_str!("../pages/password.html")),
    ("link.html", include_str!("../pages/link.html")),
    ("confirm.html", include_str!("../pages/confirm.html")),
];

pub(crate) fn pages() -> Vec<Route> {
    vec![
        page("/account/password", Access::Form, show),
        page_post("/account/password", Access::Form, choose),
        page_post("/account/link", Access::Form, go),
    ]
    .into_iter()
    .chain(crate::installer_pages::pages())
    .collect()
}

/// What a page says.
#[derive(Serialize)]
pub(crate) struct Words {
    lang: &'static str,
    pub(crate) title: &'static str,
    who: &'static str,
    password: &'static str,
    hint: &'static str,
    choose: &'static str,
    pub(crate) gone_title: &'static str,
    gone: &'static str,
    pub(crate) done_title: &'static str,
    done: &'static str,
    go: &'static str,
    weak: &'static str,
    pub(crate) later: &'static str,
    link_title: &'static str,
    link_why: &'static str,
    link_go: &'static str,
    link_gone: &'static str,
    pub(crate) confirm_title: &'static str,
    pub(crate) confirm_why: &'static str,
    pub(crate) confirm_go: &'static str,
    pub(crate) confirm_done: &'static str,
    pub(crate) installer_hint: &'static str,
    pub(crate) installer_weak: &'static str,
    pub(crate) installer_done: &'static str,
    pub(crate) installer_gone: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    title: "Choose a password",
    who: "For",
    password: "New password",
    hint: "At least 8 characters. A few words that belong to nobody else are best.",
    choose: "Choose",
    gone_title: "This link is not good any more",
    gone: "It was used, or it is too old, or it is not whole. Ask for another one where you sign in.",
    done_title: "Done",
    done: "Your password is set. You are signed out everywhere else.",
    go: "Sign in",
    weak: "Choose another one: it is too short, too easy to guess, or your address.",
    later: "That did not work just now. Please try again in a moment.",
    link_title: "Sign in",
    link_why: "You followed a link to sign in. It works once.",
    link_go: "Continue",
    link_gone: "It was used, or it is too old, or it is not whole. Ask for another one where you wanted to sign in.",
    confirm_title: "Confirm your address",
    confirm_why: "Somebody signed up as an installer with this address:",
    confirm_go: "Confirm",
    confirm_done: "Your address is confirmed. You can log in in the app now.",
    installer_hint: "At least 10 characters, with an upper case letter, a lower case letter and a digit.",
    installer_weak: "Choose another one: it lacks something of the above, is too easy to guess, or is your address.",
    installer_done: "Your password is set, and you are logged out everywhere. Please log in with it in the app.",
    installer_gone: "It was used, or it is too old, or it is not whole. Ask for another one in the app.",
};

const NORWEGIAN: Words = Words {
    lang: "nb",
    title: "Velg et passord",
    who: "For",
    password: "Nytt passord",
    hint: "Minst 8 tegn. Noen få ord som ingen andre bruker, er best.",
    choose: "Velg",
    gone_title: "Denne lenken gjelder ikke lenger",
    gone: "Den er brukt, for gammel eller ikke hel. Be om en ny der du logger inn.",
    done_title: "Ferdig",
    done: "Passordet ditt er satt. Du er logget ut alle andre steder.",
    go: "Logg inn",
    weak: "Velg et annet: det er for kort, for lett å gjette, eller adressen din.",
    later: "Det gikk ikke akkurat nå. Prøv igjen om litt.",
    link_title: "Logg inn",
    link_why: "Du fulgte en lenke for å logge inn. Den virker én gang.",
    link_go: "Fortsett",
    link_gone: "Den er brukt, for gammel eller ikke hel. Be om en ny der du ville logge inn.",
    confirm_title: "Bekreft adressen din",
    confirm_why: "Noen registrerte seg som installatør med denne adressen:",
    confirm_go: "Bekreft",
    confirm_done: "Adressen din er bekreftet. Nå kan du logge inn i appen.",
    installer_hint: "Minst 10 tegn, med en stor bokstav, en liten bokstav og et siffer.",
    installer_weak: "Velg et annet: det mangler noe av det over, er for lett å gjette, eller er adressen din.",
    installer_done: "Passordet ditt er satt, og du er logget ut overalt. Logg inn med det i appen.",
    installer_gone: "Den er brukt, for gammel eller ikke hel. Be om en ny i appen.",
};

/// The language that the browser asks for first, of those that there are.
pub(crate) fn words(request: &HttpRequest) -> &'static Words {
    let asked = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let languages = asked.split(',').map(|part| part.split([';', '-']).next().unwrap_or_default().trim().to_ascii_lowercase());
    let known = languages.filter_map(|language| match &language[..] {
        "nb" | "no" | "nn" => Some(&NORWEGIAN),
        "en" => Some(&ENGLISH),
        _ => None,
    });
    known.into_iter().next().unwrap_or(&ENGLISH)
}

/// The token of a link.
#[derive(Deserialize)]
struct PasswordLink {
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
}

/// What the form sends.
#[derive(Deserialize)]
struct PasswordForm {
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
}

/// The account that a link is of: it names it.
pub(crate) async fn whose(at: &Unproven, token: &Secret) -> Result<Account> {
    match at.registry.platform().account_of_link(token.reveal()) {
        Some(account) if account != at.account => Ok(at.registry.get(account).await?),
        _ => at.account().await,
    }
}

async fn show(at: Unproven, Query(link): Query<PasswordLink>) -> Result<HttpResponse> {
    let token = link.token.unwrap_or_else(|| Secret::new(String::new()));
    form(&at, &token, None).await
}

/// The form, if the link is good.
async fn form(at: &Unproven, token: &Secret, fault: Option<&str>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let email = match whose(at, token).await?.whose_password(token.reveal()).await {
        Ok(email) => email.map(|email| email.to_string()),
        Err(Error::InvalidGrant) => return gone(t),
        Err(error) => return Err(error.into()),
    };
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    render(
        "password.html",
        status,
        "",
        context! {
            t => Serde(t), title => t.title, form => true, token => token.reveal(), email, fault,
            action => "/account/password", hint => t.hint, least => 8,
        },
    )
}

async fn choose(at: Unproven, body: FormOrJson<PasswordForm>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let PasswordForm { token, password } = body.input?;
    let token = token.unwrap_or_else(|| Secret::new(String::new()));
    let Ok(password) = Password::chosen(password.map(|password| password.reveal().to_owned()).unwrap_or_default()) else {
        return form(&at, &token, Some(t.weak)).await;
    };
    let account = whose(&at, &token).await?;
    let console = account.id() == at.account;
    match account.choose_password(origin(&at.request), token.reveal(), password).await {
        Ok(()) => render(
            "password.html",
            StatusCode::OK,
            "",
            context! { t => Serde(t), title => t.done_title, text => t.done, done => console },
        ),
        Err(Error::InvalidGrant) => gone(t),
        Err(Error::Invalid(_)) => form(&at, &token, Some(t.weak)).await,
        Err(Error::Busy | Error::Unavailable) => form(&at, &token, Some(t.later)).await,
        Err(error) => Err(error.into()),
    }
}

/// What the page of a link sends back.
#[derive(Deserialize)]
struct LinkForm {
    account: AccountId,
    #[serde(flatten)]
    query: AuthorizeQuery,
}

/// Whether a browser asks, with a person in front of it. Programs that open links before their owner does get no further than
/// the page.
pub(crate) fn is_browser(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split([',', ';']).any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

/// The page of a link that somebody has clicked: it goes on when asked to, and then uses the link up.
pub(crate) fn link_page(request: &HttpRequest, account: AccountId, link: &Link<'_>, callback: &str) -> Result<HttpResponse> {
    let t = words(request);
    let account = account.to_string();
    let fields = [
        ("account", Some(account.as_str())),
        ("audience", Some(link.audience)),
        ("response_type", Some("authenticate")),
        ("client_id", Some(link.client_id)),
        ("verification_code", Some(link.code)),
        ("redirect_uri", Some(callback)),
        ("state", link.state),
    ];
    let fields = fields.into_iter().filter_map(|(name, value)| Some(context! { name, value => value? })).collect::<Vec<_>>();
    // Where the form leads in the end: browsers hold a redirect to it, too.
    let end = url::Url::parse(callback).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    render("link.html", StatusCode::OK, &end, context! { t => Serde(t), title => t.link_title, form => true, fields })
}

async fn go(at: Unproven, body: FormOrJson<LinkForm>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let LinkForm { account, query } = body.input?;
    let account = at.registry.get(account).await?;
    match account.follow_link(Caller::at(origin(&at.request)), query.link()).await {
        Ok(target) => Ok(HttpResponse::SeeOther().insert_header((LOCATION, target)).finish()),
        Err(Error::InvalidGrant) => {
            render("link.html", StatusCode::GONE, "", context! { t => Serde(t), title => t.gone_title, text => t.link_gone })
        }
        Err(error) => Err(error.into()),
    }
}

fn gone(t: &Words) -> Result<HttpResponse> {
    render("password.html", StatusCode::GONE, "", context! { t => Serde(t), title => t.gone_title, text => t.gone })
}

/// A page from which forms lead here and to `end`. Nothing is loaded, and nobody frames it.
pub(crate) fn render(name: &str, status: StatusCode, end: &str, values: Value) -> Result<HttpResponse> {
    let fault = |error: minijinja::Error| ApiError::Domain(Error::Internal(error.to_string()));
    let mut templates = Environment::new();
    for (name, text) in TEMPLATES {
        templates.add_template(name, text).map_err(fault)?;
    }
    let page = templates.get_template(name).and_then(|template| template.render(values)).map_err(fault)?;
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {end}; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut answer = HttpResponse::build(status);
    Ok(answer.content_type("text/html; charset=utf-8").insert_header((CONTENT_SECURITY_POLICY, policy)).body(page))
}

#[cfg(test)]
mod properties {
    use actix_web::test::TestRequest;
    use tenantry_test_properties::Property;

    use super::*;

    #[test]
    fn there_are_words_whatever_a_browser_asks_for() {
        let lang = |asked: &str| words(&TestRequest::default().insert_header((ACCEPT_LANGUAGE, asked)).to_http_request()).lang;
        Property::new("language").of_text("(nb|NO|nn|en|de|\\*)(-[A-Z]{2})?(;q=0\\.[0-9])?(, ?(nb|en)){0,2}", |text| {
            // What is no text of a header never gets here.
            let text: String = text.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
            let first = lang(&text);
            assert_eq!(lang(&text.to_ascii_uppercase()), first);
            assert_eq!(lang(&format!("nb,{text}")), "nb");
            assert_eq!(lang(&format!("en-GB;q=0.9,{text}")), "en");
            assert_eq!(lang(&format!("fr,{text}")), first, "what there is not is passed over");
        });
    }
}
