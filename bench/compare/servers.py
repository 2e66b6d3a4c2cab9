"""What is compared: how each is installed, configured and started, and how it is asked for the same work."""

import base64
import gzip
import http.client
import json
import os
import platform
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from process import Failed, Process, run

HERE = Path(__file__).resolve().parent
FORM = "application/x-www-form-urlencoded"
USERNAME = "ola"
PASSWORD = "correct horse battery staple"
SERVER_CORE = 0
# How many clients stand in the list that is asked for.
CLIENTS = 20
# How many tokens are introspected.
TOKENS = 1000
# How long a server may take to answer for the first time.
PATIENCE = 30.0

TOKEN, INTROSPECT, JWKS, LIST, LOGIN = "token", "introspection", "JWKS", "client list", "password login"
WORKS = {
    TOKEN: "A token by `client_credentials`, with HTTP Basic; the answer is a JWT signed with ES256",
    INTROSPECT: f"RFC 7662 with HTTP Basic, of {TOKENS:,} valid tokens of that client, one after the other",
    JWKS: "The public keys: one of ES256",
    LIST: f"The {CLIENTS} clients that there are, through the API for administrators",
    LOGIN: "One person's name and password; the answer is a JWT signed with ES256",
}


@dataclass
class Request:
    """An HTTP request. `secrets` are written as their names where it is shown."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    # A file with a body a line, in the place of `body`.
    bodies: Path | None = None

    def arguments(self) -> list[str]:
        """As oha takes it."""
        given = ["-H", "accept-encoding: identity"]
        for name, value in self.headers.items():
            given += ["-H", f"{name}: {value}"]
        if self.body is not None:
            given += ["-m", "POST", "-T", FORM, "-d", self.body]
        if self.bodies is not None:
            given += ["-m", "POST", "-T", FORM, "-Z", str(self.bodies)]
        return [*given, self.url]


def ask(method: str, url: str, headers: dict[str, str], body: bytes | None = None) -> Any:
    """Sends a request and yields what its answer says."""
    request = urllib.request.Request(url, body, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise Failed(f"{method} {url}: {error.code} {error.read().decode(errors='replace')[:200]}") from error
    except OSError as error:
        raise Failed(f"{method} {url}: {error}") from error
    return json.loads(text) if text else None


def send_json(method: str, url: str, headers: dict[str, str], body: Any) -> Any:
    return ask(method, url, {**headers, "Content-Type": "application/json"}, json.dumps(body).encode())


def send_form(url: str, headers: dict[str, str], body: dict[str, str]) -> Any:
    return ask("POST", url, {**headers, "Content-Type": FORM}, urlencode(body).encode())


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server(ABC):
    """One of those that are compared."""

    name: str
    # What it is and how it is installed, for the report.
    about: str
    # How fair the comparison with it is, and what it cannot do.
    notes: tuple[str, ...]
    # Works that it does at another cost, so that no ratio is told.
    unlike: frozenset[str] = frozenset()

    def __init__(self, tools: Path, data: Path):
        self.tools = tools
        self.data = data / self.name
        self.data.mkdir(parents=True)
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        # Of the client that asks, where we may choose it.
        self.secret = secrets.token_urlsafe(32)
        self.process: Process | None = None

    @abstractmethod
    def install(self) -> None:
        """Has its packages where this comparison keeps them."""

    @abstractmethod
    def version(self) -> str:
        """Which one it is."""

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """All that its environment has, beside PATH."""

    def configure(self) -> None:
        """Makes what is asked for later, where that outlives the process; it may start and end the server."""

    @abstractmethod
    def jwks(self) -> str:
        """Where its keys are. It is ready once it answers there."""

    @abstractmethod
    def works(self) -> dict[str, Request]:
        """The requests of each work that it can do; it runs."""

    def introspection(self, url: str, headers: dict[str, str], known: dict[str, str], token: Callable[[], str]) -> Request:
        """Asks of so many tokens, one after the other."""
        bodies = self.data / "introspection"
        bodies.write_text("".join(urlencode({"token": token()}) + "\n" for _ in range(TOKENS)))
        return Request(url, headers, None, known, bodies)

    def whole_environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), **self.environment()}

    def start(self, ready: str | None = None) -> float:
        """Starts it; yields how long it took until it answered 200 at `ready`, or where its keys are, in seconds."""
        self.process = Process(self.command(), self.whole_environment(), self.data, self.data / "log", SERVER_CORE)
        url = ready or self.jwks()
        path = url.removeprefix(self.base)
        while time.monotonic() - self.process.begun < PATIENCE:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status == 200:
                    return time.monotonic() - self.process.begun
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            if why := self.process.gone():
                raise Failed(f"{self.name} {why}")
            time.sleep(0.002)
        raise Failed(f"{self.name} does not answer at {url} after {PATIENCE:.0f} s")

    def running(self) -> Process:
        if self.process is None:
            raise Failed(f"{self.name} does not run")
        return self.process

    def stop(self) -> None:
        if self.process is not None:
            self.process.end()
            self.process = None


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


class Glewlwyd(Server):
    name = "glewlwyd"
    about = "Debian's `glewlwyd`, unpacked and not installed, so that no service starts"
    notes = (
        "Runs with SQLite as its package sets it up, and logs to a file as it does. Each token, a client's own, too, is a "
        "row that it commits, and introspection looks it up; each use of the API key by which clients are listed is counted in "
        "its row. That is another work, and no ratio of it is told.",
        "It has no argon2: passwords are hashed with PBKDF2 (150,000 turns, its default), so its login is not of the same "
        "cost, nor is a ratio of it told as one. A login also makes a refresh token.",
        "It answers each connection on a thread of its own.",
    )
    unlike = frozenset({TOKEN, INTROSPECT, LIST, LOGIN})

    def __init__(self, tools: Path, data: Path):
        super().__init__(tools, data)
        self.root = tools / "glewlwyd"
        self.api_key = ""

    def install(self) -> None:
        if (self.root / "packages").exists():
            return
        new = self.needed()
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir(parents=True)
        run(["apt-get", "download", "-q", *new], self.root)
        for package in self.root.glob("*.deb"):
            run(["dpkg", "-x", str(package), str(self.root)])
        (self.root / "packages").write_text("\n".join(sorted(package.name for package in self.root.glob("*.deb"))) + "\n")

    @staticmethod
    def needed() -> list[str]:
        """Its package and those libraries that are not installed already."""
        would = ["apt-get", "install", "--simulate", "--no-install-recommends", "glewlwyd", "dbconfig-no-thanks"]
        try:
            planned = run(would)
        except Failed:
            run([*([] if os.geteuid() == 0 else ["sudo"]), "apt-get", "update", "-q"])
            planned = run(would)
        # `Inst NAME (...)` is new; `Inst NAME [VERSION] (...)` would only be newer than what is there.
        lines = [line.split() for line in planned.splitlines() if line.startswith("Inst ")]
        new = [words[1] for words in lines if not words[2].startswith("[") and words[1].startswith("lib")]
        return ["glewlwyd", *(name for name in new if not name.startswith("libjs-"))]

    def version(self) -> str:
        names = (self.root / "packages").read_text().splitlines()
        return next(name.split("_")[1] for name in names if name.startswith("glewlwyd_"))

    def command(self) -> list[str]:
        return [str(self.root / "usr/bin/glewlwyd"), "--config-file", str(self.data / "glewlwyd.conf")]

    def environment(self) -> dict[str, str]:
        triplet = sysconfig.get_config_var("MULTIARCH") or f"{platform.machine()}-linux-gnu"
        return {"LD_LIBRARY_PATH": str(self.root / "usr/lib" / triplet)}

    def jwks(self) -> str:
        return f"{self.base}/api/oidc/jwks"

    def configure(self) -> None:
        modules = self.root / "usr/lib/glewlwyd"
        settings = {
            "port": self.port,
            "bind_address": "127.0.0.1",
            "external_url": self.base,
            "login_url": "login.html",
            "api_prefix": "api",
            "log_mode": "file",
            "log_level": "INFO",
            "log_file": self.data / "log",
            "cookie_secure": 0,
            "session_key": "GLEWLWYD2_SESSION_ID",
            "admin_session_authentication": "cookie,api_key",
            "admin_scope": "g_admin",
            "profile_scope": "g_profile",
            "user_module_path": modules / "user",
            "client_module_path": modules / "client",
            "user_auth_scheme_module_path": modules / "scheme",
            "plugin_module_path": modules / "plugin",
            "hash_algorithm": "SHA512",
        }
        lines = [f"{name}={json.dumps(value if isinstance(value, int) else str(value))}" for name, value in settings.items()]
        database = self.data / "glewlwyd.db"
        lines.append(f'database = {{ type = "sqlite3"; path = "{database}"; }};')
        (self.data / "glewlwyd.conf").write_text("\n".join(lines) + "\n")
        tables = gzip.decompress((self.root / "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz").read_bytes()).decode()
        with sqlite3.connect(database) as connection:
            connection.executescript(tables)
        connection.close()
        self.start(f"{self.base}/config")
        self.fill()
        self.stop()

    def fill(self) -> None:
        """Makes the plugin, the clients and the person, through its API."""
        api = f"{self.base}/api"
        headers = {"Cookie": self.sign_in()}
        self.api_key = ask("POST", f"{api}/key", headers, b"")["key"]
        key, public = self.key_pair()
        parameters = {
            "iss": self.base,
            "subject-type": "public",
            "jwt-type": "ecdsa",
            "jwt-key-size": "256",
            "key": key,
            "cert": public,
            "access-token-duration": 14400,
            "refresh-token-duration": 1209600,
            "code-duration": 600,
            "refresh-token-rolling": True,
            "allow-non-oidc": True,
            "auth-type-client-enabled": True,
            "auth-type-password-enabled": True,
            "auth-type-refresh-enabled": True,
            "jwks-show": True,
            "introspection-revocation-allowed": True,
            "introspection-revocation-allow-target-client": True,
        }
        plugin = {"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": parameters, "enabled": True}
        send_json("POST", f"{api}/mod/plugin/", headers, plugin)
        scope = {"name": "read", "display_name": "read", "description": "read", "password_required": True, "password_max_age": 0}
        send_json("POST", f"{api}/scope", headers, {**scope, "scheme": {}})
        client = {
            "confidential": True,
            "client_secret": self.secret,
            "enabled": True,
            "authorization_type": ["client_credentials", "password"],
            "token_endpoint_auth_method": ["client_secret_basic"],
            "redirect_uri": ["https://shop.example.com/"],
            "scope": ["read"],
        }
        send_json("POST", f"{api}/client/", headers, {**client, "client_id": "load", "name": "load"})
        for number in range(CLIENTS - 1):
            other = {"client_id": f"client-{number}", "name": f"Client {number}"}
            send_json("POST", f"{api}/client/", headers, {**client, **other, "client_secret": secrets.token_urlsafe(32)})
        person = {"username": USERNAME, "name": "Ola", "password": PASSWORD, "scope": ["read"], "enabled": True}
        send_json("POST", f"{api}/user/", headers, person)

    def sign_in(self) -> str:
        # Whom its package's tables begin with.
        body = json.dumps({"username": "admin", "password": "password"}).encode()
        request = urllib.request.Request(f"{self.base}/api/auth/", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return str(answer.headers["Set-Cookie"]).split(";")[0]
        except OSError as error:
            raise Failed(f"{self.name} does not let its administrator in: {error}") from error

    @staticmethod
    def key_pair() -> tuple[str, str]:
        key = run(["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout"])
        public = subprocess.run(["openssl", "ec", "-pubout"], input=key, capture_output=True, text=True, check=True)
        return key, public.stdout

    def works(self) -> dict[str, Request]:
        credentials = basic("load", self.secret)
        headers = {"Authorization": credentials}
        asks = {"grant_type": "client_credentials", "scope": "read"}
        api = f"{self.base}/api/oidc"
        person = {"grant_type": "password", "username": USERNAME, "password": PASSWORD, "scope": "read"}
        known = {credentials: "$BASIC", self.api_key: "$KEY"}
        return {
            TOKEN: Request(f"{api}/token", headers, urlencode(asks), known),
            INTROSPECT: self.introspection(
                f"{api}/introspect", headers, known, lambda: str(send_form(f"{api}/token", headers, asks)["access_token"])
            ),
            JWKS: Request(self.jwks()),
            LIST: Request(f"{self.base}/api/client/?limit={CLIENTS}", {"Authorization": f"token {self.api_key}"}, None, known),
            LOGIN: Request(f"{api}/token", headers, urlencode(person), known),
        }
