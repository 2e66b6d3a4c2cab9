//! How a customer is reached (contract nos. 47 and 48).

use serde::{Deserialize, Serialize};
use tenantry_accounts::communication;
use tenantry_domain::{Channel, Customer, CustomerId, Instant};
use utoipa::ToSchema;

use crate::body::MaybeJson;
use crate::call::Call;
use crate::error::{ApiError, Result};
use crate::query::Id;
use crate::reply::{NoContent204, Ok200};
use crate::route::{CUSTOMER_READ, CUSTOMER_WRITE, Route, get, post};
use crate::wire::Entity;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        get(
            "/v1/accounts/{aid}/customers/users/{customer_id}/communication",
            CUSTOMER_READ,
            get_communication,
            "Show which addresses are proven and allowed",
        ),
        post(
            "/v1/accounts/{aid}/customers/users/{customer_id}/communication/{operation}/{field}",
            CUSTOMER_WRITE,
            verify_address,
            "Send or confirm a code that proves an address",
        ),
    ]
}

async fn get_communication(call: Call, Id(id): Id<CustomerId>) -> Result<Ok200<CommunicationView>> {
    let known = call.account.customer(&call.caller, &id).await?;
    Ok(Ok200(CommunicationView::new(&known.customer)))
}

async fn verify_address(
    call: Call,
    Id(id): Id<CustomerId>,
    (Id(operation), Id(field)): (Id<VerifyOperation, 2>, Id<Field, 3>),
    MaybeJson(body): MaybeJson<VerifyRequest>,
) -> Result<NoContent204> {
    match operation {
        VerifyOperation::Send => call.account.send_proof(call.caller, id, field.0).await?,
        VerifyOperation::Confirm => {
            let code = body.code.ok_or_else(|| ApiError::invalid("code", "is required"))?;
            call.account.confirm_proof(call.caller, id, field.0, &code).await?;
        }
    }
    Ok(NoContent204)
}

/// What is to be done; named in the path.
#[derive(Clone, Copy)]
enum VerifyOperation {
    Send,
    Confirm,
}

impl std::str::FromStr for VerifyOperation {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "send-verification-code" => Ok(Self::Send),
            "confirm-verification-code" => Ok(Self::Confirm),
            _ => Err("must be send-verification-code or confirm-verification-code".to_owned()),
        }
    }
}

/// What is to be proven; named in the path.
struct Field(Channel);

impl std::str::FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "email" => Ok(Self(Channel::Email)),
            "phone_number" => Ok(Self(Channel::Sms)),
            _ => Err("must be email or phone_number".to_owned()),
        }
    }
}

/// A code that came back.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({"code": "123456"}))]
struct VerifyRequest {
    /// Needed for confirm-verification-code.
    #[schema(nullable = false)]
    code: Option<String>,
}

/// How a customer is reached.
#[derive(Serialize, ToSchema)]
#[schema(as = Communication)]
struct CommunicationView {
    #[serde(flatten)]
    entity: Entity,
    /// Over which channels.
    #[schema(required = false)]
    communication: Channels,
}

/// Over which channels somebody is reached.
#[derive(Serialize, ToSchema)]
#[schema(as = CommunicationChannels)]
struct Channels {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<Reached>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phone_number: Option<Reached>,
}

/// An address that a customer has.
#[derive(Serialize, ToSchema)]
#[schema(as = ReachedAddress)]
struct Reached {
    /// When a code proved the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, required = false)]
    verified_at: Option<Instant>,
    /// Whether messages may be sent: the customer's own word, once it has given it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    allowed: Option<bool>,
}

impl CommunicationView {
    fn new(customer: &Customer) -> Self {
        let reached = |channel, there: bool| {
            let (verified_at, allowed) = communication(customer, channel);
            there.then_some(Reached { verified_at, allowed })
        };
        Self {
            entity: Entity::new(customer.key.0, &customer.stamp),
            communication: Channels {
                email: reached(Channel::Email, customer.email.is_some()),
                phone_number: reached(Channel::Sms, customer.phone.is_some()),
            },
        }
    }
}
