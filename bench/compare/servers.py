"""What a server that is compared is: how it is started and stopped, and which work all are asked for."""

import base64
import http.client
import json
import os
import secrets
import socket
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from process import Failed, Process

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
