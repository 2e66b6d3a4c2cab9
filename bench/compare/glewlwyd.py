"""Glewlwyd, from Debian's package."""

import gzip
import json
import os
import platform
import secrets
import shutil
import sqlite3
import subprocess
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from process import Failed, run
from servers import (
    CLIENTS,
    INTROSPECT,
    JWKS,
    LIST,
    LOGIN,
    PASSWORD,
    PATIENCE,
    TOKEN,
    USERNAME,
    Request,
    Server,
    ask,
    basic,
    send_form,
    send_json,
)


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
