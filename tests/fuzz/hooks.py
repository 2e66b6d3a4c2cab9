"""Who asks while the API is fuzzed: the operator's client, on an account below, by exchange, which no case can take away; a person,
an installer, a client and a program of the account where only they may."""

import ast
import atexit
import base64
import copy
import functools
import ipaddress
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request

import jsonschema_rs
import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.core.parameters import ParameterLocation
from schemathesis.openapi.checks import JsonSchemaError, RejectedPositiveData

BASE = os.environ["FUZZ_BASE"]
MADE = json.loads(os.environ["FUZZ_MADE"])
CLIENT = MADE["test"]
CHANCE = random.Random(1)
PARTNER = "T11200000"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

PARSE, PARSING = ast.parse, threading.Lock()


def parse_alone(*text, **how):
    """Hypothesis parses sources, and Python 3.11 takes two threads that do so at once for one that went astray (SystemError: AST
    constructor recursion depth mismatch)."""
    with PARSING:
        return PARSE(*text, **how)


ast.parse = parse_alone


def call(path, body, authorization=None):
    headers = {"content-type": "application/json", **from_anywhere()}
    if authorization:
        headers["authorization"] = authorization
    request = urllib.request.Request(f"{BASE}{path}", data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def from_anywhere():
    """What a proxy says of who asks: attempts are counted for each address."""
    return {"x-forwarded-for": str(ipaddress.IPv4Address(CHANCE.randrange(1 << 24, 1 << 27)))}


def basic(client):
    return "Basic " + base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()


def bearer(answer):
    return f"Bearer {answer['access_token']}"


PASSWORD = "Correct horse, 1 battery, staple"
ADMIN = "fuzzed@example.com"
HERE = f"/v1/accounts/{PARTNER}"
INSTALLERS = {"installer here": f"{HERE}/installer", "installer of the operator": "/api/v1/installer"}
# What is there, by the end of the paths that name it. Others every few seconds: what was deleted does not come back.
LIVE = {}
# Who asks, by the name of their kind. No path names any of them.
CALLERS = {}
# What could not be made anew, and how often.
STALE = {}
# What a program may that brings people's words.
APP = ["write:accounts", "write:accounts:/auth/users", "create:accounts:auth:refresh_token"]


def live():
    """Makes what is there anew, and whoever of it asks. What the account's settings have meanwhile closed stays as it was."""
    number, operator = int(time.time() * 1000), CALLERS["operator"]
    name, mail = f"fuzzed-{number}", f"fuzzed-{number}@example.com"

    def make(path, body):
        return call(HERE + path, body, operator)

    def customer():
        make("/customers/users", {"customer_id": name, "type": "customer"})
        token = make(f"/customers/users/{name}/tokens", {"token_id": name, "type": "card", "value": name})
        LIVE.update({"/customers/users/{customer_id}": name, "/tokens/{tid}": token["token_id"]})

    def user():
        make("/auth/users", {"username": mail, "password": PASSWORD})
        LIVE["/auth/users/{username}"] = mail

    def granted(client, kind, scope):
        grant = {"client_id": client["client_id"], "audience": f"{BASE}{HERE}", "type": kind, "scope": scope}
        return make("/auth/client-grants", grant)["id"]

    def app():
        made = make("/auth/clients", {"name": name})
        granted(made, "client_credentials", APP)
        granted(made, "password", ["openid", "read:accounts"])
        words = {"grant_type": "client_credentials", "audience": f"{BASE}{HERE}"}
        CALLERS.update({"client": basic(made), "app": bearer(call(f"{HERE}/auth/token", words, basic(made)))})

    def client():
        made = make("/auth/clients", {"name": name})
        LIVE["/auth/clients/{id}"] = made["client_id"]
        LIVE["/auth/client-grants/{id}"] = granted(made, "client_credentials", ["read:accounts"])

    def sign_up(path, email):
        person = {"email": email, "password": PASSWORD, "first_name": "Jane", "last_name": "Smith", "company": "Acme"}
        return call(f"{path}/signup", person)["installer_id"]

    def asking_installer(kind, path):
        sign_up(path, mail)
        CALLERS[kind] = bearer(call(f"{path}/login", {"email": mail, "password": PASSWORD}))

    def installer():
        LIVE["/management/installers/{installer_id}"] = sign_up(INSTALLERS["installer here"], f"other-{mail}")

    def person():
        CALLERS["person"] = bearer(call("/v1/account/login", {"email": ADMIN, "password": PASSWORD}))

    def noun(end, body):
        LIVE[end] = make(end[: end.rindex("/")], body)["id"]

    first = not LIVE
    steps = [customer, user, app, person, *(functools.partial(asking_installer, *one) for one in INSTALLERS.items())]
    # Fewer of these: whoever puts a whole configuration takes all of them away.
    if first or CHANCE.random() < 0.25:
        steps += [
            client,
            installer,
            functools.partial(noun, "/auth/roles/{role_id}", {"name": name, "scope": ["read:accounts"]}),
            functools.partial(noun, "/management/users/{uid}", {"email": mail}),
            functools.partial(noun, "/customers/tags/{tag_id}", {"tag": name}),
            functools.partial(noun, "/customers/terms/{tid}", {"terms": name}),
        ]
    for step in steps:
        try:
            step()
        except urllib.error.HTTPError as refused:
            if first:
                raise AssertionError(f"{refused.url}: {refused.read()}") from None
            told = f"{refused.url.removeprefix(BASE)} {refused.code}"
            STALE[told] = STALE.get(told, 0) + 1


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every second time that a path may name anything, it names something that is there."""
    path = case.meta and case.meta.components.get(ParameterLocation.PATH)
    if path and not path.mode.is_negative and CHANCE.random() < 0.5:
        for end, value in list(LIVE.items()):
            if end in case.operation.path:
                case.path_parameters[end[end.rindex("{") + 1 : -1]] = value


def operators_token():
    body = {"grant_type": "client_credentials", "audience": CLIENT["audience"]}
    return call(f"/v1/accounts/{CLIENT['account_id']}/auth/token", body, basic(CLIENT))["access_token"]


@schemathesis.hook
def before_load_schema(context, raw_schema):
    account = {"account_id": PARTNER, "display_name": "Fuzzed"}
    call(f"/v1/accounts/{CLIENT['account_id']}/management/accounts", account, f"Bearer {operators_token()}")
    call("/v1/account/password", {"token": MADE["admin_link"].split("token=")[1], "password": PASSWORD})


@schemathesis.auth(refresh_interval=5)
class Callers:
    """Asked for anew every few seconds: a key that was revoked ends the one before."""

    def get(self, case, context):
        body = {"grant_type": EXCHANGE, "subject_token": operators_token(), "subject_token_type": ACCESS_TOKEN}
        CALLERS["operator"] = bearer(call(f"{HERE}/auth/token", body))
        live()
        return dict(CALLERS)

    def set(self, case, data, context):
        case.headers.update({"Authorization": data[whose(case)], **from_anywhere()})


def whose(case):
    """Who may do it, as the document says; the operator for most."""
    ways = described(case).get("security", [])
    schemes, scopes = {way for one in ways for way in one}, {scope for one in ways for scope in one.get("bearer", [])}
    if "installerBearer" in schemes:
        return next(kind for kind, path in INSTALLERS.items() if case.operation.path.startswith(path.replace(PARTNER, "{aid}")))
    if schemes == {"clientBasic"}:
        return "client"
    if "clientBasic" in schemes:
        return CHANCE.choice(["client", "app"])
    if "openid" in scopes:
        return "person"
    return "app" if "write:accounts:/auth/users" in scopes and "admin:accounts" not in scopes else "operator"


@schemathesis.serializer("application/x-ndjson")
def lines(context, value):
    """A line of JSON, or what somebody thinks is one."""
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()


# What was asked and answered; scripts/fuzz prints it.
ASKED = {"answers": 0, "server_errors": 0, "late": 0, "late_on_purpose": 0, "slowest_ms": 0, "statuses": {}}
LOCK = threading.Lock()
# An answer is late after so many seconds; one that makes a key of a passphrase, which takes a second by itself, after ten times as many.
LATE = int(os.environ["FUZZ_SECONDS"])
LATE_ON_PURPOSE = 10 * LATE
FORM = "application/x-www-form-urlencoded"


def makes_a_key(case, response):
    """An export with a passphrase that was not refused: nothing else may take its time."""
    body, path = case.body, case.operation.path
    asked = path.endswith("/management/export") or path.endswith("/management/accounts/{aid}/export")
    return asked and response.status_code == 200 and isinstance(body, dict) and isinstance(body.get("passphrase"), str)


@schemathesis.hook
def after_call(context, case, response):
    slow = makes_a_key(case, response)
    with LOCK:
        ASKED["answers"] += 1
        statuses = ASKED["statuses"].setdefault(case.operation.label, {})
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        ASKED["server_errors"] += response.status_code >= 500
        ASKED["late_on_purpose"] += slow and response.elapsed > LATE
        ASKED["late"] += response.elapsed > (LATE_ON_PURPOSE if slow else LATE)
        if not slow:
            ASKED["slowest_ms"] = max(ASKED["slowest_ms"], round(response.elapsed * 1000))


@schemathesis.hook
def after_network_error(context, case, request):
    """Nobody answered."""
    with LOCK:
        ASKED["server_errors"] += 1


@atexit.register
def tell():
    if asked := os.environ.get("FUZZ_ASKED"):
        with open(asked, "w") as file:
            json.dump({**ASKED, "stale": STALE}, file)


@schemathesis.check
def late(ctx, response, case):
    """Takes the place of the check for the longest time, which knows no exceptions."""
    limit = LATE_ON_PURPOSE if makes_a_key(case, response) else LATE
    if response.elapsed > limit:
        raise AssertionError(f"answered after {response.elapsed:.2f} s; {limit} s is the most")


@functools.cache
def validator(schema, components):
    return jsonschema_rs.Draft202012Validator({"allOf": [json.loads(schema)], "components": json.loads(components)})


def holds(case, schema, value):
    """Whether a value is as a schema of the document says."""
    return next(faults(case, schema, value), None) is None


def faults(case, schema, value):
    components = case.operation.schema.raw_schema["components"]
    return validator(json.dumps(schema), json.dumps(components)).iter_errors(value)


def described(case):
    """The operation, as the document has it."""
    return case.operation.schema.raw_schema["paths"][case.operation.path][case.operation.method.lower()]


def is_refused_form(case, response):
    """The contract has one form of errors for the token endpoint; to a form they are told as RFC 6749 has it all the same."""
    sent = (response.request.headers.get("Content-Type") or "").split(";")[0].strip().lower()
    return case.operation.path.endswith("/auth/token") and sent == FORM and response.status_code >= 400


@schemathesis.check
def forms_are_refused_as_rfc_6749_has_it(ctx, response, case):
    if is_refused_form(case, response) and not holds(case, {"$ref": "#/components/schemas/OAuthError"}, response.json()):
        raise AssertionError(f"not an error of RFC 6749: {response.text}")


def without_null(case, schema, value):
    """Without the members that are null and must not be: such a one is as one that is left out."""
    value = copy.deepcopy(value)
    while refused := [path for fault in faults(case, schema, value) if fault.instance is None and (path := fault.instance_path)]:
        for path in refused:
            *way, name = path
            holder = functools.reduce(lambda inside, step: inside[step], way, value)
            if not isinstance(name, str):
                return value
            holder.pop(name, None)
    return value


def is_taken_on_purpose(case):
    """Only the body is not as the document says, and that is meant to be taken."""
    wrong = [place for place, part in case.meta.components.items() if part.mode.is_negative]
    body, path = case.body, case.operation.path
    if wrong != [ParameterLocation.BODY]:
        return False
    # Lines are whatever stands in them.
    if path.endswith("/users:import"):
        return True
    content = described(case)["requestBody"]["content"]
    if case.media_type not in content:
        return False
    schema = content[case.media_type]["schema"]
    meant = without_null(case, schema, body)
    # The contract asks for a type; a customer without one is a customer.
    if path.endswith("/customers/users") and isinstance(meant, dict):
        meant.setdefault("type", "customer")
    return holds(case, schema, meant)


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is no failure, though the document alone would call it one."""
    if isinstance(failure, JsonSchemaError):
        return not is_refused_form(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not is_taken_on_purpose(case)
    if isinstance(failure, RejectedPositiveData):
        # What settings open, and have not.
        return not (response.status_code == 405 and "405" in described(case)["responses"])
    return True
