//! Pages that the letters to installers lead to: one confirms an address when asked to, one chooses another password.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use minijinja::context;
use minijinja::value::Serde;
use serde::Deserialize;
use tenantry_accounts::{Account, InstallerLink};
use tenantry_domain::{Error, Secret};

use crate::call::{Unproven, origin};
use crate::error::Result;
use crate::installers::chosen;
use crate::pages::{render, words};
use crate::query::Query;
use crate::route::{Access, Route, page, page_post};
use crate::token_request::{FormOrJson, secret};

pub(crate) fn pages() -> Vec<Route> {
    vec![
        page("/installer/confirm", Access::Form, show_confirmation),
        page_post("/installer/confirm", Access::Form, confirm),
        page("/installer/password", Access::Form, show_password),
        page_post("/installer/password", Access::Form, choose),
    ]
}

/// What a link and its form send.
#[derive(Deserialize)]
struct LinkForm {
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
}

impl LinkForm {
    fn token(&self) -> &str {
        self.token.as_ref().map_or("", Secret::reveal)
    }
}

/// The account that a link is of: it names it.
async fn whose(at: &Unproven, link: InstallerLink, token: &str) -> std::result::Result<Account, Error> {
    let account = at.registry.platform().account_of_installer_link(link, token).ok_or(Error::InvalidGrant)?;
    at.registry.get(account).await
}

async fn show_confirmation(at: Unproven, Query(link): Query<LinkForm>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let email = async {
        let account = whose(&at, InstallerLink::Confirmation, link.token()).await?;
        account.whose_installer_link(InstallerLink::Confirmation, link.token()).await
    };
    match email.await {
        Ok(email) => {
            let values = context! { t => Serde(t), title => t.confirm_title, form => true, token => link.token(), email => email.as_str() };
            render("confirm.html", StatusCode::OK, "", values)
        }
        Err(Error::InvalidGrant | Error::AccountSuspended | Error::NotFound) => gone(&at),
        Err(error) => Err(error.into()),
    }
}

async fn confirm(at: Unproven, body: FormOrJson<LinkForm>) -> Result<HttpResponse> {
    let (t, form) = (words(&at.request), body.input?);
    let confirmed = async {
        let account = whose(&at, InstallerLink::Confirmation, form.token()).await?;
        account.confirm_installer(origin(&at.request), form.token()).await
    };
    match confirmed.await {
        Ok(_) => {
            let values = context! { t => Serde(t), title => t.done_title, text => t.confirm_done };
            render("confirm.html", StatusCode::OK, "", values)
        }
        Err(Error::InvalidGrant | Error::AccountSuspended | Error::NotFound) => gone(&at),
        Err(error) => Err(error.into()),
    }
}

async fn show_password(at: Unproven, Query(link): Query<LinkForm>) -> Result<HttpResponse> {
    password_form(&at, link.token(), None).await
}

/// The form, if the link is good.
async fn password_form(at: &Unproven, token: &str, fault: Option<&str>) -> Result<HttpResponse> {
    let t = words(&at.request);
    let email = async { whose(at, InstallerLink::Reset, token).await?.whose_installer_link(InstallerLink::Reset, token).await };
    let email = match email.await {
        Ok(email) => email,
        Err(Error::InvalidGrant | Error::AccountSuspended | Error::NotFound) => return gone(at),
        Err(error) => return Err(error.into()),
    };
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let values = context! {
        t => Serde(t), title => t.title, form => true, token, email => email.as_str(), fault,
        action => "/installer/password", hint => t.installer_hint, least => 10,
    };
    render("password.html", status, "", values)
}

async fn choose(at: Unproven, body: FormOrJson<LinkForm>) -> Result<HttpResponse> {
    let (t, form) = (words(&at.request), body.input?);
    let reset = async {
        let account = whose(&at, InstallerLink::Reset, form.token()).await?;
        let password = chosen("password", form.password.clone())?;
        account.reset_installer_password(origin(&at.request), form.token(), password).await
    };
    match reset.await {
        Ok(()) => {
            let values = context! { t => Serde(t), title => t.done_title, text => t.installer_done };
            render("password.html", StatusCode::OK, "", values)
        }
        Err(Error::InvalidGrant | Error::AccountSuspended | Error::NotFound) => gone(&at),
        Err(Error::Invalid(_) | Error::WeakPassword { .. }) => password_form(&at, form.token(), Some(t.installer_weak)).await,
        Err(Error::Busy | Error::Unavailable) => password_form(&at, form.token(), Some(t.later)).await,
        Err(error) => Err(error.into()),
    }
}

fn gone(at: &Unproven) -> Result<HttpResponse> {
    let t = words(&at.request);
    render("confirm.html", StatusCode::GONE, "", context! { t => Serde(t), title => t.gone_title, text => t.installer_gone })
}
