"""A demonstration identity provider, so that sign-on can be tried: `make demo SIGN_ON=1`.

It is Canaille, a real OpenID Connect provider, with two people and two groups in its memory. Never
use it for anything else: the passwords are printed.
"""

import json
import os
import secrets
import threading
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from devstack.keys import write_private

CLIENT_ID = "warble"
TITLE = "the demonstration account"
CLIENT_SECRET = "demonstration"  # noqa: S105  everybody may know it
PEOPLE = {
    "anna": ("Anna Weber", ["staff"]),
    "boris": ("Boris Orlov", ["staff", "warble-administrators"]),
}
"""By the name with which they sign in, which is also the password."""


def issuer(port: int) -> str:
    return f"http://localhost:{port}"


def settings(port: int) -> dict[str, Any]:
    """What goes into `USERS_SIGN_ON` below the name of the provider."""
    return {
        "issuer": issuer(port),
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "title": TITLE,
        "scopes": ["openid", "profile", "groups"],
        "admitting_groups": ["staff"],
        "administrator_groups": ["warble-administrators"],
    }


def create_app(port: int, warble: str, key_file: Path) -> Any:
    """The WSGI application. `warble` is the address of the gateway.

    The key that signs tokens is kept in `key_file`: Warble fetches new keys once a minute at most,
    so another key at each start would refuse everybody for that long.
    """
    # The provider and its client are on this machine, without TLS.
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    import canaille
    from canaille.app import models
    from canaille.backends import Backend
    from joserfc.jwk import RSAKey

    if not key_file.exists():
        new = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        write_private(key_file, json.dumps(new.as_dict(private=True)))
    key = RSAKey.import_key(json.loads(key_file.read_text()))
    app = canaille.create_app(
        config={
            "SECRET_KEY": os.urandom(16).hex(),
            "PREFERRED_URL_SCHEME": "http",
            "SERVER_NAME": f"localhost:{port}",
            "CANAILLE": {
                "DATABASE": "memory",
                "JAVASCRIPT": False,
                "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
            },
            "CANAILLE_OIDC": {
                "ACTIVE_JWKS": [key.as_dict(private=True)],
                # So that it asks nobody for consent.
                "TRUSTED_DOMAINS": ["127.0.0.1", "localhost"],
            },
        },
        env_file=None,
    )
    with app.app_context():
        groups: dict[str, list[Any]] = {}
        for user_name, (name, group_names) in PEOPLE.items():
            given, _, family = name.partition(" ")
            person = models.User(
                user_name=user_name,
                formatted_name=name,
                given_name=given,
                family_name=family,
                emails=[f"{user_name}@example.com"],
                password=user_name,
            )
            Backend.instance.save(person)
            for group_name in group_names:
                groups.setdefault(group_name, []).append(person)
        for group_name, members in groups.items():
            Backend.instance.save(models.Group(display_name=group_name, members=members))
        client = models.Client(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            client_name="Warble",
            client_uri=warble,
            redirect_uris=[f"{warble}/api/sign-on/demonstration/callback"],
            post_logout_redirect_uris=[f"{warble}/"],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "profile", "groups"],
            id_token_signed_response_alg="RS256",  # noqa: S106  not a secret
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106  not a secret
        )
        Backend.instance.save(client)
        client.audience = [client]
        Backend.instance.save(client)
    return app


class _Server(WSGIServer):
    thread: threading.Thread


class _QuietHandler(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(port: int, warble: str, key_file: Path) -> _Server:
    """Serves from a thread until `shutdown`."""
    app = create_app(port, warble, key_file)
    server = make_server("localhost", port, app, _Server, _QuietHandler)
    server.thread = threading.Thread(target=server.serve_forever, daemon=True)
    server.thread.start()
    return server
