//! Pages that letters lead to: made by the server, without scripts (contract section 9).

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse};
use minijinja::value::Serde;
use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};
use tenantry_domain::{Error, Password, Secret};

use crate::call::{Unproven, origin};
use crate::error::{ApiError, Result};
use crate::query::Query;
use crate::route::{Access, Route, page, page_post};
use crate::token_request::{FormOrJson, secret};

const TEMPLATE: &str = include_str!("../pages/password.html");
/// Nothing is loaded, no form leads elsewhere, nobody frames the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn pages() -> Vec<Route> {
    vec![page("/account/password", Access::Console, show), page_post("/account/password", Access::Console, choose)]
}

/// What a page says.
#[derive(Serialize)]
struct Words {
    lang: &'static str,
    title: &'static str,
    who: &'static str,
    password: &'static str,
    hint: &'static str,
    choose: &'static str,
    gone_title: &'static str,
    gone: &'static str,
    done_title: &'static str,
    done: &'static str,
    go: &'static str,
    weak: &'static str,
    later: &'static str,
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
};

/// The language that the browser asks for first, of those that there are.
fn words(request: &HttpRequest) -> &'static Words {
    let asked = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let languages = asked.split(',').map(|part| part.split([';', '-']).next().unwrap_or_default().trim());
    let known = languages.filter_map(|language| match language {
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

async fn show(at: Unproven, Query(link): Query<PasswordLink>) -> Result<HttpResponse> {
    let token = link.token.unwrap_or_else(|| Secret::new(String::new()));
    form(&at, &token, None).await
}

/// The form, if the link is good.
async fn form(at: &Unproven, token: &Secret, fault: Option<&str>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let user = match at.account().await?.whose_password(token.reveal()).await {
        Ok(user) => user,
        Err(Error::InvalidGrant) => return gone(t),
        Err(error) => return Err(error.into()),
    };
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let email = user.email().map(ToString::to_string);
    render(status, context! { t => Serde(t), title => t.title, form => true, token => token.reveal(), email, fault })
}

async fn choose(at: Unproven, body: FormOrJson<PasswordForm>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let PasswordForm { token, password } = body.input?;
    let token = token.unwrap_or_else(|| Secret::new(String::new()));
    let Ok(password) = Password::chosen(password.map(|password| password.reveal().to_owned()).unwrap_or_default()) else {
        return form(&at, &token, Some(t.weak)).await;
    };
    match at.account().await?.choose_password(origin(&at.request), token.reveal(), password).await {
        Ok(()) => render(StatusCode::OK, context! { t => Serde(t), title => t.done_title, text => t.done, done => true }),
        Err(Error::InvalidGrant) => gone(t),
        Err(Error::Invalid(_)) => form(&at, &token, Some(t.weak)).await,
        Err(Error::Busy | Error::Unavailable) => form(&at, &token, Some(t.later)).await,
        Err(error) => Err(error.into()),
    }
}

fn gone(t: &Words) -> Result<HttpResponse> {
    render(StatusCode::GONE, context! { t => Serde(t), title => t.gone_title, text => t.gone })
}

fn render(status: StatusCode, values: Value) -> Result<HttpResponse> {
    let mut templates = Environment::new();
    templates.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    let page = templates.render_str(TEMPLATE, values).map_err(|error| ApiError::Domain(Error::Internal(error.to_string())))?;
    let mut answer = HttpResponse::build(status);
    Ok(answer.content_type("text/html; charset=utf-8").insert_header((CONTENT_SECURITY_POLICY, POLICY)).body(page))
}
