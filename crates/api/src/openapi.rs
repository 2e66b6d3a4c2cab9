//! The OpenAPI 3.1 document, generated from the routes: paths, policies and the types in the handlers' signatures.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{ErrorBody, MfaRequiredBody, OAuthError};
use crate::installers::CODES;
use crate::route::{Access, Policy, Route, routes};
use crate::token_request::FORM;
use crate::tokens::PERSONS_SCOPES;

/// A type that says what it means for the description of an endpoint.
pub(crate) trait Describe {
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {$(
        impl<$($name: Describe),*> Describe for ($($name,)*) {
            fn describe(operation: &mut Operation<'_>) {
                let _ = &operation;
                $($name::describe(operation);)*
            }
        }
    )*};
}
tuples! { () (A) (A B) (A B C) (A B C D) }

/// One operation of the document while it is being described.
pub(crate) struct Operation<'d> {
    schemas: &'d mut BTreeMap<String, Value>,
    parameters: Vec<Value>,
    request_body: Option<Value>,
    responses: BTreeMap<u16, Value>,
    has_record: bool,
    /// Errors are told in the words of the installer API.
    of_installers: bool,
    /// Forms are taken, too; then errors are told as RFC 6749 has it.
    takes_forms: bool,
}

impl Operation<'_> {
    /// Names a schema, and keeps it and those it needs.
    fn schema<T: ToSchema>(&mut self) -> Value {
        let mut needed = Vec::new();
        T::schemas(&mut needed);
        needed.push((T::name().into_owned(), T::schema()));
        for (name, schema) in needed {
            self.schemas.entry(name).or_insert_with(|| json!(schema));
        }
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }

    pub(crate) fn body<T: ToSchema>(&mut self, content_type: &str, required: bool) {
        let schema = self.schema::<T>();
        let body = self.request_body.get_or_insert_with(|| json!({"required": required, "content": {}}));
        body["content"][content_type] = json!({"schema": schema});
        self.takes_forms |= content_type == FORM;
        self.error(413, "The body is larger than 256 KiB.");
        self.error(415, "The content type is not one of those named.");
    }

    /// The body may as well be this.
    pub(crate) fn or_body<T: ToSchema>(&mut self, content_type: &str) {
        let other = self.schema::<T>();
        if let Some(body) = &mut self.request_body {
            let schema = &mut body["content"][content_type]["schema"];
            *schema = json!({"oneOf": [schema.take(), other]});
        }
    }

    /// Each property of `T` is a query parameter.
    pub(crate) fn query<T: ToSchema>(&mut self) {
        let mut needed = Vec::new();
        T::schemas(&mut needed);
        for (name, schema) in needed {
            self.schemas.entry(name).or_insert_with(|| json!(schema));
        }
        let schema = json!(T::schema());
        let required = |name: &String| schema["required"].as_array().is_some_and(|names| names.iter().any(|one| one == name));
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let mut property = property.clone();
            if let Some(kinds) = property["type"].as_array().and_then(|kinds| kinds.iter().find(|kind| *kind != "null")) {
                property["type"] = kinds.clone();
            }
            let description = property.as_object_mut().and_then(|property| property.remove("description"));
            // One that may be left out is not null when it is there.
            if let Some(kinds) = property["oneOf"].as_array() {
                property = kinds.iter().find(|kind| kind["type"] != "null").cloned().unwrap_or_default();
            }
            let required = required(name);
            if name == "version" {
                self.error(412, "It is at another version.");
            }
            self.parameters
                .push(json!({"name": name, "in": "query", "description": description, "required": required, "schema": property}));
        }
    }

    pub(crate) fn no_content(&mut self) {
        self.responses.insert(204, json!({"description": "Done."}));
    }

    pub(crate) fn created(&mut self) {
        self.responses.insert(201, json!({"description": "Done."}));
    }

    pub(crate) fn accepted_with<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.responses.insert(202, json!({"description": "Taken.", "content": {"application/json": {"schema": schema}}}));
    }

    pub(crate) fn created_with<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.responses.insert(201, json!({"description": "Done.", "content": {"application/json": {"schema": schema}}}));
    }

    pub(crate) fn empty(&mut self) {
        self.responses.insert(200, json!({"description": "It is so."}));
        self.error(405, "Settings do not open it.");
    }

    /// The list may be counted.
    pub(crate) fn counted(&mut self) {
        let count = json!({"description": "Number of matches; only when total=true.", "schema": {"type": "integer"}});
        self.responses.entry(200).and_modify(|response| response["headers"]["total-count"] = count);
    }

    /// Sent again with the same key, the request is not acted on again.
    pub(crate) fn idempotent(&mut self) {
        let description = "Marks the request: sent again within a day it gets the same answer, and another body 409.";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": 255});
        let key =
            json!({"name": "Idempotency-Key", "in": "header", "required": false, "description": description, "schema": schema});
        self.parameters.push(key);
        self.error(409, "The key was used for another request.");
    }

    /// A body of lines.
    pub(crate) fn lines_in(&mut self, description: &str, content_type: &str) {
        let content = json!({content_type: {"schema": {"type": "string"}}});
        self.request_body = Some(json!({"required": true, "description": description, "content": content}));
        self.error(415, "The content type is not the one named.");
    }

    /// An answer of lines, a `T` each.
    pub(crate) fn lines_out<T: ToSchema>(&mut self, content_type: &str) {
        let schema = self.schema::<T>();
        let content = json!({content_type: {"schema": schema}});
        self.responses.insert(200, json!({"description": "A line of JSON for each.", "content": content}));
    }

    /// A body that is a file.
    pub(crate) fn file_in(&mut self, description: &str, content_type: &str) {
        self.lines_in(description, content_type);
    }

    /// An answer that is a file.
    pub(crate) fn file_out(&mut self, description: &str, content_type: &str) {
        let content = json!({content_type: {"schema": {"type": "string", "format": "binary"}}});
        self.responses.insert(200, json!({"description": description, "content": content}));
    }

    /// A header that has to be sent.
    pub(crate) fn header(&mut self, name: &str, description: &str) {
        let header =
            json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
        self.parameters.push(header);
    }

    pub(crate) fn page(&mut self) {
        let page = json!({"text/html": {"schema": {"type": "string"}}});
        self.responses.insert(200, json!({"description": "A page, for those who accept text/html.", "content": page}));
    }

    pub(crate) fn found(&mut self) {
        let location = json!({"description": "Where to go on.", "schema": {"type": "string", "format": "uri"}});
        self.responses.insert(302, json!({"description": "Goes on elsewhere.", "headers": {"Location": location}}));
    }

    pub(crate) fn has_record(&mut self) {
        self.has_record = true;
    }

    pub(crate) fn reply<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.responses.insert(200, json!({"description": "Done.", "content": {"application/json": {"schema": schema}}}));
    }

    pub(crate) fn reply_list<T: ToSchema>(&mut self, paged: bool) {
        let items = self.schema::<T>();
        let mut response =
            json!({"description": "Done.", "content": {"application/json": {"schema": {"type": "array", "items": items}}}});
        if paged {
            let header = |text: &str| json!({"description": text, "schema": {"type": "string"}});
            response["headers"] = json!({
                "paging-token": header("Pass it as `starting_after` to get the next page; absent on the last."),
                "Link": header("The next page, `rel=\"next\"` (RFC 8288)."),
            });
        }
        self.responses.insert(200, response);
    }

    /// The schema of errors, with the causes that the installer API names.
    fn installers_error(&mut self) -> Value {
        self.schema::<ErrorBody>();
        let (mut body, mut detail) = (self.schemas["Error"].clone(), self.schemas["ErrorDetail"].clone());
        detail["properties"]["code"] =
            json!({"type": "string", "description": "Stable machine-readable cause.", "enum": CODES, "example": CODES[0]});
        body["properties"]["error"] = json!({"$ref": "#/components/schemas/InstallerErrorDetail"});
        self.schemas.insert("InstallerErrorDetail".to_owned(), detail);
        self.schemas.insert("InstallerError".to_owned(), body);
        json!({"$ref": "#/components/schemas/InstallerError"})
    }

    pub(crate) fn error(&mut self, status: u16, description: &str) {
        let schema = if self.of_installers { self.installers_error() } else { self.schema::<ErrorBody>() };
        let mut response = json!({"description": description, "content": {"application/json": {"schema": schema}}});
        if matches!(status, 429 | 503) {
            let seconds = json!({"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}});
            response["headers"] = json!({"Retry-After": seconds});
        }
        self.responses.insert(status, response);
    }
}

/// The document. `server` is where the world reaches the API.
pub fn document(server: &str) -> Value {
    let (mut schemas, mut paths, mut tags) = (BTreeMap::new(), Map::new(), Vec::new());
    for route in routes() {
        let tag = json!({"name": tag(&route)});
        if !tags.contains(&tag) {
            tags.push(tag);
        }
        let operation = describe(&route, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tenantry",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Multi-tenant accounts, clients, grants, roles, keys and audited token exchange.",
            "description": "Security requirements are alternatives: one is enough, its scope matched exactly.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "Access token from the token endpoint."},
                "clientToken": {"type": "apiKey", "in": "query", "name": "client_token",
                    "description": "Access token for callers that cannot set a header."},
                "clientBasic": {"type": "http", "scheme": "basic", "description": "client_id and client_secret."},
                "installerBearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "Token from the login of installers."},
            },
        },
    })
}

fn describe(route: &Route, schemas: &mut BTreeMap<String, Value>) -> Value {
    let mut operation = Operation {
        schemas,
        parameters: Vec::new(),
        request_body: None,
        responses: BTreeMap::new(),
        has_record: false,
        of_installers: route.policy.access.is_of_installers(),
        takes_forms: false,
    };
    operation.parameters.extend(path_parameters(route.path));
    (route.describe)(&mut operation);
    operation.error(400, "Something in the request is malformed or breaks a rule; `errors` names it.");
    if route.policy.access == Access::InstallerEntry {
        operation.error(429, "Too many attempts, or the account has too much under way.");
    } else if route.policy.access != Access::Public {
        operation.error(401, "Missing, invalid or expired credentials.");
        operation.error(403, "Known caller, not allowed.");
        operation.error(429, "The account has too much under way.");
    }
    if route.policy.access == Access::TokenEndpoint {
        let schema = operation.schema::<MfaRequiredBody>();
        operation.responses.entry(403).and_modify(|response| response["content"]["application/json"]["schema"] = schema);
    }
    let not_found = if operation.has_record { "No such record in this account." } else { "No such account for this token." };
    operation.error(404, not_found);
    operation.error(500, "A fault on our side; `request_id` names it.");
    operation.error(503, "Full, stopping, or the database is away.");
    // The contract has one form of errors for the token endpoint.
    if operation.takes_forms && route.policy.access != Access::TokenEndpoint {
        let standard = operation.schema::<OAuthError>();
        for (_, response) in operation.responses.range_mut(400..) {
            let schema = &mut response["content"]["application/json"]["schema"];
            *schema = json!({"oneOf": [schema.take(), standard]});
        }
    }
    let mut described = json!({
        "operationId": camel_case(&format!("{}{}", route.prefix, route.name)),
        "tags": [tag(route)],
        "summary": route.summary,
        "security": security(route.policy),
        "parameters": operation.parameters,
        "responses": operation.responses,
    });
    if let Some(body) = operation.request_body {
        described["requestBody"] = body;
    }
    described
}

/// What an endpoint is listed under: its handler's module.
fn tag(route: &Route) -> String {
    route.tag.replace('_', "-")
}

fn security(policy: Policy) -> Value {
    let bearer = |scope: &&str| json!({"bearer": [scope]});
    match policy.access {
        Access::Page | Access::Probe | Access::Public | Access::Console | Access::Form | Access::InstallerEntry => json!([]),
        Access::Installer => json!([{"installerBearer": []}]),
        Access::Person => json!([{"bearer": ["openid"]}]),
        Access::TokenEndpoint => std::iter::once(json!({"clientBasic": []})).chain(PERSONS_SCOPES.iter().map(bearer)).collect(),
        Access::Client => json!([{"clientBasic": []}]),
        Access::AnyOf([]) if policy.in_query.is_some() => json!([{"bearer": []}, {"clientToken": []}]),
        Access::AnyOf([]) => json!([{"bearer": []}]),
        Access::AnyOf(scopes) => scopes.iter().map(bearer).collect(),
        Access::AllOf(scopes) => json!([{"bearer": scopes}]),
    }
}

fn path_parameters(path: &'static str) -> impl Iterator<Item = Value> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(move |name| {
        let (description, schema) = match name {
            "oid" => (
                "Account: mode letter and 8 digits, or 3 digits for a partner's own account.",
                json!({"type": "string", "pattern": "^[PT]{1}(?=(?:.{3}|.{8})$)[0-9]*$", "examples": ["T11200000", "T112"]}),
            ),
            "aid" => (
                "Account: mode letter and 8 digits.",
                json!({"type": "string", "pattern": r"^[PT]{1}\d{8}$", "minLength": 9, "maxLength": 9, "examples": ["T11200001"]}),
            ),
            "partner_id" => (
                "Partner's own account: mode letter, 3 digits and five zeros.",
                json!({"type": "string", "pattern": r"^[PT]{1}\d{3}00000$", "minLength": 9, "maxLength": 9,
                    "examples": ["T11200000"]}),
            ),
            "customer_id" => ("The account's own key for the customer.", json!({"type": "string", "maxLength": 255})),
            "operation" => (
                "What is to be done.",
                json!({"type": "string", "enum": ["send-verification-code", "confirm-verification-code"]}),
            ),
            "field" => ("What is to be proven.", json!({"type": "string", "enum": ["email", "phone_number"]})),
            "uid" => ("The account user.", json!({"type": "string", "maxLength": 255})),
            "username" => ("What the user is called.", json!({"type": "string", "maxLength": 255})),
            "tid" if path.contains("/tokens/") => ("What the token is called.", json!({"type": "string", "maxLength": 255})),
            "installer_id" => (
                "The installer.",
                json!({"type": "string", "pattern": "^ins_[0-9a-f]{32}$", "examples": ["ins_01936f0c7b2a7c3e9d4f5a6b7c8d9e0f"]}),
            ),
            "tag_id" | "tid" => ("Record id.", json!({"type": "string", "format": "uuid"})),
            _ => ("Record id.", json!({"type": "string"})),
        };
        json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
    })
}

/// `create_role` to `createRole`.
fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (head, tail) = part.split_at(part.len().min(1));
        text + &head.to_ascii_uppercase() + tail
    })
}
