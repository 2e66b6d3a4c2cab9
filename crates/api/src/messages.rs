//! Messages to people that were not handed on yet: those that wait, and those that were refused (contract section 9).

use serde::{Deserialize, Serialize};
use tenantry_accounts::{OutboxFilter, Template, Waiting};
use tenantry_domain::{Instant, MessageId};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::Call;
use crate::error::Result;
use crate::query::{self, Id, Query};
use crate::reply::{NoContent204, Ok200, Page};
use crate::route::{Policy, Route, delete, get, post};
use crate::users::OobChannel;

/// Addresses of all kinds of people stand here: neither a reader of the configuration nor one of customers sees them.
const MESSAGES: Policy = Policy::any_of(&["admin:accounts"]).reserved();

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get("/v1/accounts/{oid}/management/messages", MESSAGES, list_messages, "List messages that were not handed on yet"),
        post(
            "/v1/accounts/{oid}/management/messages/{id}/retry",
            MESSAGES,
            retry_message,
            "Try a message again now, also one that was refused",
        ),
        delete("/v1/accounts/{oid}/management/messages/{id}", MESSAGES, withdraw_message, "Take a message back"),
    ]
}

async fn list_messages(call: Call, Query(query): Query<MessageQuery>) -> Result<Page<MessageView>> {
    let limit = query::limit(query.limit)?;
    let after = query::optional("starting_after", query.starting_after.as_deref())?;
    let failed = query.state.map(|state| state == MessageState::Failed);
    let waiting = call.account.outbox(&OutboxFilter { failed, after, limit: limit.into() }).await?;
    let views = waiting.into_iter().map(|waiting| MessageView::new(waiting, call.now())).collect();
    Ok(Page::new(views, limit, |message: &MessageView| message.id.to_string()))
}

async fn retry_message(call: Call, Id(id): Id<MessageId>) -> Result<Ok200<MessageView>> {
    let waiting = call.account.retry_message(call.caller.clone(), id).await?;
    Ok(Ok200(MessageView::new(waiting, call.now())))
}

async fn withdraw_message(call: Call, Id(id): Id<MessageId>) -> Result<NoContent204> {
    call.account.withdraw_message(call.caller, id).await?;
    Ok(NoContent204)
}

/// Which messages to list.
#[derive(Deserialize, ToSchema)]
struct MessageQuery {
    /// Only those that wait, or only those that failed.
    state: Option<MessageState>,
    /// Page size.
    #[schema(minimum = 1, maximum = 100, default = 10)]
    limit: Option<u32>,
    /// The message that the page before ended with.
    starting_after: Option<String>,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MessageState {
    /// It is tried by itself.
    Waiting,
    /// It was refused for good, or would come too late.
    Failed,
}

/// What a message says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MessageTemplate {
    /// A code to type in.
    Code,
    /// A link to choose another password.
    Password,
    /// Somebody may administer the account.
    Invitation,
    /// A link to confirm an address.
    Confirmation,
    /// An installer's link to choose another password.
    Reset,
    /// An installer's identity was approved.
    IdentityApproved,
    /// It was rejected.
    IdentityRejected,
}

impl From<Template> for MessageTemplate {
    fn from(template: Template) -> Self {
        match template {
            Template::Code => Self::Code,
            Template::Password => Self::Password,
            Template::Invitation => Self::Invitation,
            Template::Confirmation => Self::Confirmation,
            Template::Reset => Self::Reset,
            Template::IdentityApproved => Self::IdentityApproved,
            Template::IdentityRejected => Self::IdentityRejected,
        }
    }
}

/// A message that was not handed on yet; what stands in it is nobody's to see but whoever gets it.
#[derive(Serialize, ToSchema)]
#[schema(as = OutboxMessage)]
struct MessageView {
    /// Its id.
    id: Uuid,
    /// What it says.
    template: MessageTemplate,
    /// How it is sent.
    channel: OobChannel,
    /// Where it goes: a mail address or a telephone number.
    target: String,
    /// What becomes of it.
    state: MessageState,
    /// How often it was tried.
    tries: u32,
    /// Why it was not taken the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// When it was put out.
    #[schema(value_type = String, format = DateTime)]
    created_at: Instant,
    /// When it is tried next; absent where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    next_at: Option<Instant>,
    /// From then on it would come too late. A day later it is gone.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Instant,
}

impl MessageView {
    fn new(waiting: Waiting, now: Instant) -> Self {
        let failed = waiting.has_failed(now);
        let Waiting { letter, created_at, next_at, failure } = waiting;
        Self {
            id: letter.id.0,
            template: letter.template.into(),
            channel: letter.channel.into(),
            target: letter.target.unwrap_or_default(),
            state: if failed { MessageState::Failed } else { MessageState::Waiting },
            tries: letter.tries,
            failure,
            created_at,
            next_at: (!failed).then_some(next_at),
            expires_at: letter.expires_at,
        }
    }
}
