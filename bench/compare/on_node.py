"""Those that are packages of npm: programs of ours set them up."""

import json
import platform
import shutil
from pathlib import Path
from urllib.parse import urlencode

from process import run
from servers import CLIENTS, HERE, INTROSPECT, JWKS, LIST, LOGIN, PASSWORD, TOKEN, USERNAME, Request, Server, basic, send_form


class OnNode(Server):
    """One that is written for Node: a program of ours that sets a package up, and the Node that the package supports."""

    # Its package, whose name its program also has.
    package: str
    FILES = (".npmrc", "better-auth.mjs", "oidc-provider.mjs", "package.json", "package-lock.json")

    def __init__(self, tools: Path, data: Path):
        super().__init__(tools, data)
        self.packages = tools / "node"

    def install(self) -> None:
        wanted = "".join((HERE / name).read_text() for name in self.FILES)
        done = self.packages / "installed"
        if done.exists() and done.read_text() == wanted:
            return
        shutil.rmtree(self.packages, ignore_errors=True)
        self.packages.mkdir(parents=True)
        for name in self.FILES:
            shutil.copy(HERE / name, self.packages)
        run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], self.packages)
        done.write_text(wanted)

    def node(self) -> str:
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        return str(self.packages / "node_modules" / f"node-linux-{machine}" / "bin" / "node")

    def version(self) -> str:
        package = json.loads((self.packages / "node_modules" / self.package / "package.json").read_text())
        return f"{package['version']}, Node {run([self.node(), '--version']).strip().removeprefix('v')}"

    def command(self) -> list[str]:
        return [self.node(), str(self.packages / f"{self.package}.mjs")]


class OidcProvider(OnNode):
    name = package = "oidc-provider"
    about = "npm `oidc-provider` on npm `node-linux-*`, set up by `oidc-provider.mjs`"
    notes = (
        "Runs with `NODE_ENV=production` and the in-memory adapter that it has by itself: it keeps nothing, and needs no "
        "disk. It is one process, since it has one core.",
        "Access tokens are JWTs by resource indicators. It introspects no JWTs, so introspection is of opaque tokens, "
        "looked up in memory.",
        "It has no password grant; `oidc-provider.mjs` registers one as its documentation has it for grants of one's own, "
        "with argon2id of the same cost (npm `@node-rs/argon2`). Nothing is written at a login.",
        "It has no API that lists clients.",
    )

    def environment(self) -> dict[str, str]:
        return {
            "NODE_ENV": "production",
            "PORT": str(self.port),
            "CLIENT_ID": "load",
            "CLIENT_SECRET": self.secret,
            "USERNAME": USERNAME,
            "PASSWORD": PASSWORD,
        }

    def jwks(self) -> str:
        return f"{self.base}/jwks"

    def works(self) -> dict[str, Request]:
        credentials = basic("load", self.secret)
        headers = {"Authorization": credentials}
        asks = {"grant_type": "client_credentials", "scope": "read"}
        opaque = {**asks, "resource": f"{self.base}/opaque"}
        person = {"grant_type": "password", "username": USERNAME, "password": PASSWORD, "scope": "read"}
        known = {credentials: "$BASIC"}
        return {
            TOKEN: Request(f"{self.base}/token", headers, urlencode(asks), known),
            INTROSPECT: self.introspection(
                f"{self.base}/token/introspection",
                headers,
                known,
                lambda: str(send_form(f"{self.base}/token", headers, opaque)["access_token"]),
            ),
            JWKS: Request(self.jwks()),
            LOGIN: Request(f"{self.base}/token", headers, urlencode(person), known),
        }


class BetterAuth(OnNode):
    name = package = "better-auth"
    about = "npm `better-auth` and `@better-auth/oauth-provider` on npm `node-linux-*`, set up by `better-auth.mjs`"
    notes = (
        "Runs with `NODE_ENV=production` and SQLite (`node:sqlite`, write-ahead log), which it reads for each request; it "
        "makes its router anew for each, too. Its limits are off, as ours. It is one process, since it has one core.",
        "Access tokens are JWTs, since a resource is asked for; introspection verifies their signature each time.",
        "Its list of clients is of those that belong to who is signed in, by cookie.",
        "It has no password grant; its login is `sign-in/email`, with argon2id of the same cost (npm `@node-rs/argon2`). Its "
        "answer is a session that it has committed and no JWT: less to sign.",
    )

    def __init__(self, tools: Path, data: Path):
        super().__init__(tools, data)
        self.made: dict[str, str] = {}
        self.api = f"{self.base}/api/auth"

    def environment(self) -> dict[str, str]:
        return {
            "NODE_ENV": "production",
            "PORT": str(self.port),
            "DATABASE": str(self.data / "better-auth.db"),
            "SECRET": self.secret,
            "CLIENTS": str(CLIENTS),
            "EMAIL": f"{USERNAME}@example.com",
            "PASSWORD": PASSWORD,
        }

    def configure(self) -> None:
        made = run([*self.command(), "setup"], self.data, self.whole_environment())
        self.made = json.loads(made.splitlines()[-1])

    def jwks(self) -> str:
        return f"{self.api}/jwks"

    def works(self) -> dict[str, Request]:
        credentials = basic(self.made["client_id"], self.made["client_secret"])
        headers = {"Authorization": credentials}
        asks = {"grant_type": "client_credentials", "scope": "read", "resource": f"{self.base}/api"}
        person = {"email": f"{USERNAME}@example.com", "password": PASSWORD}
        cookie = self.made["cookie"]
        known = {credentials: "$BASIC", cookie: "$COOKIE"}
        return {
            TOKEN: Request(f"{self.api}/oauth2/token", headers, urlencode(asks), known),
            INTROSPECT: self.introspection(
                f"{self.api}/oauth2/introspect",
                headers,
                known,
                lambda: str(send_form(f"{self.api}/oauth2/token", headers, asks)["access_token"]),
            ),
            JWKS: Request(self.jwks()),
            LIST: Request(f"{self.api}/oauth2/get-clients", {"Cookie": cookie}, None, known),
            LOGIN: Request(f"{self.api}/sign-in/email", {"Origin": self.base}, urlencode(person), known),
        }
