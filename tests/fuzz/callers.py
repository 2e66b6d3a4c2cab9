"""Who asks while the API is fuzzed, and what is there for them: the operator's client, on an account below, by exchange, which no case
can take away; a person, an installer, a client, a program and a customer of the account where only they may."""

import base64
import functools
import ipaddress
import json
import os
import random
import time
import urllib.error
import urllib.request

import schemathesis
from schemathesis.core.parameters import ParameterLocation

BASE = os.environ["FUZZ_BASE"]
MADE = json.loads(os.environ["FUZZ_MADE"])
CLIENT = MADE["test"]
CHANCE = random.Random(1)
PARTNER = "T11200000"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"

def call(path, body, authorization=None, method=None):
    headers = {"content-type": "application/json", **by_way_of(anywhere())}
    if authorization:
        headers["authorization"] = authorization
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}{path}", data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def anywhere():
    """An address like no other: attempts are counted for each."""
    return str(ipaddress.IPv4Address(CHANCE.randrange(1 << 24, 1 << 27)))


def by_way_of(address):
    """What a proxy says of who asks."""
    return {"x-forwarded-for": address}


def basic(client):
    return "Basic " + base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()


def bearer(answer):
    return f"Bearer {answer['access_token']}"


PASSWORD = "Correct horse, 1 battery, staple"
ADMIN = "fuzzed@example.com"
HERE = f"/v1/accounts/{PARTNER}"
AUDIENCE = f"{BASE}{HERE}"
INSTALLERS = {"installer here": f"{HERE}/installer", "installer of the operator": "/api/v1/installer"}
# What is there, by the end of the paths that name it. Others every few seconds: what was deleted does not come back.
LIVE = {}
# Who asks, by the name of their kind. No path names any of them.
CALLERS = {}
# The kind of each token or secret that was ever shown.
SHOWN = {}
# Clients of the program, the newest last: two at most, since an account has no more than some hundred.
APPS = []
# Good bodies, by the end of the paths that take them.
WORDS = {}
# How often something was made anew, and what was refused then, how often.
READY = {"asked": 0, "refused": {}}
# What a program may that brings people's words; what a customer may that it brings.
APP = ["read:accounts", "write:accounts", "write:accounts:/auth/users", "admin:customers", "create:accounts:auth:refresh_token"]
CALLBACK = "https://shop.example/back"


def live():
    """Makes what is there anew, and whoever of it asks. What the account's settings have meanwhile closed stays as it was."""
    number, operator = int(time.time() * 1000), CALLERS["operator"]
    name, mail = f"fuzzed-{number}", f"fuzzed-{number}@example.com"

    def make(path, body):
        return call(HERE + path, body, operator)

    def customer():
        body = {"customer_id": name, "type": "customer", "email": mail, "password": PASSWORD}
        call(f"{HERE}/customers/users", body, CALLERS["app"])
        token = make(f"/customers/users/{name}/tokens", {"token_id": name, "type": "card", "value": name})
        LIVE.update({"/customers/users/{customer_id}": name, "/tokens/{tid}": token["token_id"]})
        WORDS["/customers/login"] = [{"type": "customer", "audience": AUDIENCE, "email": mail, "password": PASSWORD}]

    def below():
        number = f"T112{CHANCE.randrange(1, 100_000):05}"
        make("/management/accounts", {"account_id": number, "display_name": name})
        LIVE["/management/accounts/{aid}"] = number
        WORDS["/auth/exchange_token"] = [{"account_id": number}]

    def user():
        make("/auth/users", {"username": mail, "password": PASSWORD})
        LIVE["/auth/users/{username}"] = mail

    def granted(client, kind, scope):
        grant = {"client_id": client["client_id"], "audience": AUDIENCE, "type": kind, "scope": scope}
        return make("/auth/client-grants", grant)["id"]

    def app():
        made = make("/auth/clients", {"name": name, "callbacks": [CALLBACK]})
        granted(made, "client_credentials", APP)
        for kind in ["password", "authorization_code"]:
            granted(made, kind, ["user:customers"])
        own = {"grant_type": "client_credentials", "audience": AUDIENCE}
        brought = {"grant_type": "password", "username": mail, "password": PASSWORD, "audience": AUDIENCE}
        CALLERS.update({"client": basic(made), "app": bearer(call(f"{HERE}/auth/token", own, basic(made)))})
        code = {"client_id": made["client_id"], "audience": AUDIENCE, "user_id": name}
        WORDS.update({"/auth/token": [own, brought], "/auth/passwordless/code": [code], "/auth/redirect": [{"redirect_uri": CALLBACK}]})
        APPS.append(made["id"])
        while len(APPS) > 2:
            call(f"{HERE}/auth/clients/{APPS.pop(0)}", None, operator, "DELETE")

    def customers_token():
        CALLERS["customer"] = bearer(call(f"{HERE}/customers/login", WORDS["/customers/login"][0], CALLERS["app"]))

    def client():
        made = make("/auth/clients", {"name": name})
        LIVE["/auth/clients/{id}"] = made["client_id"]
        LIVE["/auth/client-grants/{id}"] = granted(made, "client_credentials", ["read:accounts"])

    def sign_up(path, email):
        person = {"email": email, "password": PASSWORD, "first_name": "Jane", "last_name": "Smith", "company": "Acme"}
        return call(f"{path}/signup", person)["installer_id"]

    def asking_installer(kind, path):
        sign_up(path, mail)
        words = {"email": mail, "password": PASSWORD}
        CALLERS[kind] = bearer(call(f"{path}/login", words))
        WORDS["/installer/login"] = [words]

    def installer():
        LIVE["/management/installers/{installer_id}"] = sign_up(INSTALLERS["installer here"], f"other-{mail}")

    def person():
        words = {"email": ADMIN, "password": PASSWORD}
        CALLERS["person"] = bearer(call("/v1/account/login", words))
        WORDS["/v1/account/login"] = [words]

    def noun(end, body):
        LIVE[end] = make(end[: end.rindex("/")], body)["id"]

    first = not LIVE
    steps = [user, app, customer, customers_token, person, *(functools.partial(asking_installer, *one) for one in INSTALLERS.items())]
    # Fewer of these, of which an account has only so many.
    if first or CHANCE.random() < 0.25:
        steps += [
            below,
            client,
            installer,
            functools.partial(noun, "/auth/roles/{role_id}", {"name": name, "scope": ["read:accounts"]}),
            functools.partial(noun, "/management/users/{uid}", {"email": mail}),
            functools.partial(noun, "/customers/tags/{tag_id}", {"tag": name}),
            functools.partial(noun, "/customers/terms/{tid}", {"terms": name}),
        ]
    for step in steps:
        READY["asked"] += 1
        try:
            step()
        except urllib.error.HTTPError as refused:
            if first:
                raise AssertionError(f"{refused.url}: {refused.read()}") from None
            told = f"{refused.url.removeprefix(BASE)} {refused.code}"
            READY["refused"][told] = READY["refused"].get(told, 0) + 1
    SHOWN.update({shown: kind for kind, shown in CALLERS.items()})


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every second time that a path may name anything, it names something that is there; and a body that may be any is a good one."""
    may = {place for place, part in case.meta.components.items() if not part.mode.is_negative} if case.meta else set()
    if ParameterLocation.PATH in may and CHANCE.random() < 0.5:
        for end, value in list(LIVE.items()):
            if end in case.operation.path:
                case.path_parameters[end[end.rindex("{") + 1 : -1]] = value
    good = [words for end, all_of in list(WORDS.items()) if case.operation.path.endswith(end) for words in all_of]
    if ParameterLocation.BODY in may and good and CHANCE.random() < 0.5:
        case.body = dict(CHANCE.choice(good))


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
        # One of ten comes from the same address, which is soon barred.
        address = anywhere() if CHANCE.random() < 0.9 else "203.0.113.7"
        case.headers.update({"Authorization": data[whose(case)], **by_way_of(address)})


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
    if ways == [{"bearer": []}]:
        return "customer"
    if case.operation.path.endswith("/auth/exchange_token"):
        return "app"
    return "app" if "write:accounts:/auth/users" in scopes and "admin:accounts" not in scopes else "operator"


def described(case):
    """The operation, as the document has it."""
    return case.operation.schema.raw_schema["paths"][case.operation.path][case.operation.method.lower()]


def is_shut_out(response):
    """Whether who asked is let in nowhere: another case has ended the session, or taken the client away."""
    shown = response.request.headers.get("Authorization")
    asks = {"person": "/v1/account/user", **{kind: f"{path}/profile" for kind, path in INSTALLERS.items()}}
    kind = SHOWN.get(shown)
    try:
        if kind == "client":
            call(f"{HERE}/auth/token", {"grant_type": "client_credentials", "audience": AUDIENCE}, shown)
        else:
            call(asks.get(kind, f"{HERE}/auth/roles"), None, shown)
    except urllib.error.HTTPError as refused:
        return refused.code in (401, 429)
    return False
