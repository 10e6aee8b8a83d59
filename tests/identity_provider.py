"""An OpenID Connect provider for tests that does exactly what a test tells it to, also wrong.

It runs as a real HTTP server in the test's event loop. By default it behaves well; a test changes
one thing: a claim, a header, the key, the metadata.
"""

import asyncio
import base64
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from joserfc import jwk

CLIENT_ID = "warble"
CLIENT_SECRET = "invented for tests"
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

Token = dict[str, Any]


def encode(part: Token) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@dataclass
class IdentityProvider:
    """`subject` and `groups` are those of the account that signs in next."""

    port: int
    subject: str = "ann"
    claims: Token = field(default_factory=dict)
    """Claims of the id_token in addition; None removes one."""
    header: Token = field(default_factory=dict)
    """The same for its header."""
    metadata: Token = field(default_factory=dict)
    answer: dict[str, str | None] = field(default_factory=dict)
    """Parameters of the callback in addition; None removes one."""
    encode: Callable[[Token, Token], str] | None = None
    """Makes the id_token from header and claims instead of signing it."""
    userinfo: Token | None = None
    before_tokens: Callable[[], Awaitable[None]] | None = None
    """Called, and awaited, before a code is redeemed."""
    token_requests: list[dict[str, str]] = field(default_factory=list)

    requests: list[str] = field(default_factory=list)
    """The endpoints that were asked."""
    published: "list[jwk.Key]" = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def key(self) -> "jwk.RSAKey":
        from joserfc import jwk

        return jwk.RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})

    def reset(self, subject: str) -> None:
        """Behaves well again. The key stays, because generating one takes time."""
        for name, value in vars(IdentityProvider(self.port, subject)).items():
            setattr(self, name, value)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "title": "Company account",
            **more,
        }

    def id_claims(self, nonce: str) -> Token:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "name": self.subject.title(),
            "groups": ["staff"],
            "sid": f"session-{self.subject}",
        }
        return _without_none({**claims, **self.claims})

    def id_token(self, nonce: str) -> str:
        header = _without_none({"alg": "RS256", "kid": self.key.kid, **self.header})
        claims = self.id_claims(nonce)
        if self.encode is not None:
            return self.encode(header, claims)
        return _signed(header, claims, self.key)

    def logout_token(self, header: Token | None = None, **claims: Any) -> str:
        now = int(time.time())
        token = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 120,
            "jti": secrets.token_hex(8),
            "events": {LOGOUT_EVENT: {}},
            "sub": self.subject,
        }
        full_header = {"alg": "RS256", "kid": self.key.kid, "typ": "logout+jwt", **(header or {})}
        return _signed(full_header, _without_none({**token, **claims}), self.key)

    def authorize(self, location: str) -> dict[str, str]:
        """Signs in as the browser does that follows `location`; returns the answer's parameters."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        answer = {"code": code, "state": query["state"], **self.answer}
        return {name: value for name, value in answer.items() if value is not None}

    # The endpoints.

    async def discovery(self, request: Request) -> Response:
        self.requests.append("discovery")
        metadata = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
        }
        return JSONResponse(_without_none({**metadata, **self.metadata}))

    async def keys(self, request: Request) -> Response:
        self.requests.append("keys")
        return JSONResponse(
            {"keys": [key.as_dict(private=False) for key in (self.key, *self.published)]}
        )

    async def authorization(self, request: Request) -> Response:
        answer = self.authorize(str(request.url))
        callback = request.query_params["redirect_uri"]
        return RedirectResponse(f"{callback}?{urlencode(answer)}", 303)

    async def token(self, request: Request) -> Response:
        self.requests.append("token")
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.token_requests.append({**form, "basic": request.headers.get("authorization", "")})
        if self.before_tokens is not None:
            await self.before_tokens()
        query = self._codes.pop(form["code"], None)
        if query is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        tokens = {
            "access_token": "access",
            "token_type": "Bearer",
            "id_token": self.id_token(query["nonce"]),
        }
        return JSONResponse(tokens)

    async def user_info(self, request: Request) -> Response:
        self.requests.append("userinfo")
        if request.headers["authorization"] != "Bearer access":
            return JSONResponse({}, 401)
        return JSONResponse(self.userinfo or {"sub": self.subject})

    async def end(self, request: Request) -> Response:
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/keys", self.keys),
                Route("/authorize", self.authorization),
                Route("/token", self.token, methods=["POST"]),
                Route("/userinfo", self.user_info),
                Route("/end", self.end),
            ]
        )


def _signed(header: Token, claims: Token, key: "jwk.RSAKey") -> str:
    from joserfc import jwt

    return jwt.encode(header, claims, key)


def _without_none(values: Token) -> Token:
    return {name: value for name, value in values.items() if value is not None}


@asynccontextmanager
async def running(port: int = 0) -> AsyncIterator[IdentityProvider]:
    """A provider that serves at this port of this machine, or at a free one."""
    listener = socket.create_server(("127.0.0.1", port))
    provider = IdentityProvider(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(provider.app(), log_config=None, lifespan="off"))
    # Not `serve`, which would take the signal handlers of the test run.
    task = asyncio.create_task(server._serve([listener]))
    try:
        yield provider
    finally:
        server.should_exit = True
        await task
        listener.close()
