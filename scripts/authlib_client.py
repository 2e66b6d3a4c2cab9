"""What a client does that knows nothing of us but the standards (PyPI Authlib). Argument: JSON with where and who."""

import json
import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.requests_client import OAuth2Session  # noqa: E402

given = json.loads(sys.argv[1])
token_endpoint, oauth = given["base"] + "/auth/token", given["base"] + "/auth/oauth"
told = {}
for method in ["client_secret_basic", "client_secret_post"]:
    session = OAuth2Session(given["client_id"], given["client_secret"], token_endpoint_auth_method=method)
    session.trust_env = False
    own = session.fetch_token(token_endpoint, grant_type="client_credentials", audience=given["audience"])
    person = session.fetch_token(
        token_endpoint, grant_type="password", username="ola", password=given["password"], audience=given["audience"]
    )
    renewed = session.refresh_token(token_endpoint, refresh_token=person["refresh_token"])
    roles = session.get(given["base"] + "/auth/roles")
    live = session.introspect_token(oauth + "/introspect", token=renewed["access_token"]).json()
    session.revoke_token(oauth + "/revoke", token=renewed["refresh_token"])
    dead = session.introspect_token(oauth + "/introspect", token=renewed["access_token"]).json()
    told[method] = {
        "own": own["token_type"],
        "person": person["scope"],
        "renewed": renewed["refresh_token"] != person["refresh_token"],
        "roles": roles.status_code,
        "live": live["active"],
        "dead": dead["active"],
    }
print(json.dumps(told))
