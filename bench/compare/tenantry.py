"""Tenantry: started as shipped, with an account, its clients and somebody who logs in."""

import json
import os
from pathlib import Path
from urllib.parse import urlencode

from process import Failed, run
from servers import CLIENTS, INTROSPECT, JWKS, LIST, LOGIN, PASSWORD, TOKEN, USERNAME, Request, Server, basic, send_json


class Tenantry(Server):
    name = "Tenantry"
    about = "the program of this tree"
    notes = (
        "Rate limits are wide (`TENANTRY_LIMIT_...`): each request is counted, and none refused, since a load from one address is "
        "what they are there to stop. The others have none. Everything else is as shipped: SQLite, a line of the log for each "
        "request, metrics.",
        "Introspection looks at what the token's client holds now. The signature of a token is verified once and remembered as "
        "long as the token lives, up to 120,000 of them; those asked for here have all been seen while it was warmed up.",
        "A login is a durable commit: a session and a line of the event log. Its password is hashed with argon2id, 19 MiB, "
        "two passes, one lane; its answer waits for the next full beat of 20 ms, so that time tells nothing.",
    )

    def __init__(self, tools: Path, data: Path, program: Path):
        super().__init__(tools, data)
        self.program = program
        self.account = f"{self.base}/v1/accounts/T11200000"
        self.load: dict[str, str] = {}
        self.app: dict[str, str] = {}

    def install(self) -> None:
        if not os.access(self.program, os.X_OK):
            raise Failed(f"there is no program at {self.program}; build it, or name another with --program")

    def version(self) -> str:
        return run([str(self.program), "--version"]).split()[-1]

    def command(self) -> list[str]:
        return [str(self.program), "serve"]

    def environment(self) -> dict[str, str]:
        return {
            "TENANTRY_DATA_DIR": str(self.data),
            "TENANTRY_LISTEN": f"127.0.0.1:{self.port}",
            "TENANTRY_METRICS_LISTEN": "127.0.0.1:0",
            **{f"TENANTRY_LIMIT_{what}": "1000000/1000000" for what in ("ADDRESS", "CLIENT", "ACCOUNT", "TREE")},
        }

    def jwks(self) -> str:
        return f"{self.account}/.well-known/jwks.json"

    def configure(self) -> None:
        made = run([str(self.program), "bootstrap", "--json"], self.data, self.whole_environment())
        operator = json.loads(made)["test"]
        self.start(f"{self.base}/readyz")
        above = f"{self.base}/v1/accounts/{operator['account_id']}"
        bearer = {"Authorization": "Bearer " + self.client_token(above, operator)}
        send_json("POST", f"{above}/management/accounts", bearer, {"account_id": "T11200000", "display_name": "Partner"})
        exchange = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": bearer["Authorization"].removeprefix("Bearer "),
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }
        inside = send_json("POST", f"{self.account}/auth/token", {}, exchange)["access_token"]
        bearer = {"Authorization": f"Bearer {inside}"}
        # Who asks for tokens, introspects and reads the list; and who brings passwords.
        self.load = self.client(bearer, {"client_credentials": ["read:accounts"]})
        self.app = self.client(bearer, {"client_credentials": ["write:accounts:/auth/users"], "password": ["read:accounts"]})
        for number in range(CLIENTS - 2):
            send_json("POST", f"{self.account}/auth/clients", bearer, {"name": f"Client {number}"})
        send_json("POST", f"{self.account}/auth/users", bearer, {"username": USERNAME, "password": PASSWORD})
        self.stop()

    def client(self, bearer: dict[str, str], grants: dict[str, list[str]]) -> dict[str, str]:
        made: dict[str, str] = send_json("POST", f"{self.account}/auth/clients", bearer, {})
        for kind, scope in grants.items():
            grant = {"client_id": made["client_id"], "audience": self.account, "type": kind, "scope": scope}
            send_json("POST", f"{self.account}/auth/client-grants", bearer, grant)
        return made

    def client_token(self, account: str, client: dict[str, str]) -> str:
        headers = {"Authorization": basic(client["client_id"], client["client_secret"])}
        body = {"grant_type": "client_credentials", "audience": account}
        return str(send_json("POST", f"{account}/auth/token", headers, body)["access_token"])

    def works(self) -> dict[str, Request]:
        credentials = basic(self.load["client_id"], self.load["client_secret"])
        token = self.client_token(self.account, self.load)
        app = self.client_token(self.account, self.app)
        asks = {"grant_type": "client_credentials", "audience": self.account}
        person = {"grant_type": "password", "username": USERNAME, "password": PASSWORD, "audience": self.account}
        known = {credentials: "$BASIC", token: "$TOKEN", app: "$APP"}
        return {
            TOKEN: Request(f"{self.account}/auth/token", {"Authorization": credentials}, urlencode(asks), known),
            INTROSPECT: self.introspection(
                f"{self.account}/auth/oauth/introspect",
                {"Authorization": credentials},
                known,
                lambda: self.client_token(self.account, self.load),
            ),
            JWKS: Request(self.jwks()),
            LIST: Request(f"{self.account}/auth/clients?limit={CLIENTS}", {"Authorization": f"Bearer {token}"}, None, known),
            LOGIN: Request(f"{self.account}/auth/token", {"Authorization": f"Bearer {app}"}, urlencode(person), known),
        }
