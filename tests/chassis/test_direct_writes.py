"""A direct route takes the usual form of a request, and leaves every other one to the framework."""

from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import testing
from chassis.auth.identity import KeyScope, Verifier
from chassis.database.session import Database
from chassis.process.direct_writes import DirectWrite


class Draft(BaseModel):
    text: str


class Handled(BaseModel):
    result: Literal["directly"] = "directly"


async def write(_argument: object, _identity: object, _session: object) -> Handled:
    return Handled()


async def write_unless_long(draft: Draft, _identity: object, _session: object) -> Handled | None:
    return Handled() if len(draft.text) < 10 else None


def with_state(app: ASGIApp) -> ASGIApp:
    """What `RequestContext` and the server do."""

    async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        await app(scope, receive, send)

    return with_state


@pytest.fixture
def app(database: Database) -> FastAPI:
    app = FastAPI()
    app.add_middleware(with_state)
    app.state.database = database
    app.state.verifier = Verifier(testing.PUBLIC_KEY, "probe")
    app.router.routes += [
        DirectWrite("DELETE", "/things/{id}", write),
        DirectWrite("POST", "/things", write_unless_long, body=Draft),
    ]

    @app.api_route("/{path:path}", methods=["DELETE", "POST", "PUT"])
    async def by_framework(request: Request) -> dict[str, Any]:
        return {"result": (await request.body()).decode()}

    return app


SHORT, LONG = b'{"text": "short"}', b'{"text": "a longer text"}'
JSON = {"content-type": "application/json"}


async def chunks() -> Any:
    yield SHORT


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "expected"),
    [
        ("DELETE", "/things/7", b"", {}, "directly"),
        ("DELETE", "/things/7?x", b"", {}, ""),
        ("DELETE", "/things/07", b"", {}, ""),
        ("DELETE", "/things/9007199254740992", b"", {}, ""),
        ("DELETE", "/things/7/", b"", {}, ""),
        ("DELETE", "/things/7", b"body", {}, "body"),
        ("PUT", "/things/7", b"", {}, ""),
        ("POST", "/things", SHORT, JSON, "directly"),
        ("POST", "/things", LONG, JSON, LONG.decode()),
        ("POST", "/things", b"[]", JSON, "[]"),
        ("POST", "/things", b"{", JSON, "{"),
        ("POST", "/things", SHORT, {"content-type": "text/plain"}, SHORT.decode()),
        ("POST", "/things", SHORT, JSON | {"idempotency-key": "1"}, SHORT.decode()),
        ("POST", "/things", chunks(), JSON, SHORT.decode()),
    ],
)
async def test_only_the_usual_form_of_a_request_is_handled_directly(
    app: FastAPI, method: str, path: str, content: Any, headers: dict[str, str], expected: str
) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://service"
    ) as client:
        response = await client.request(
            method, path, content=content, headers=headers | testing.identity_headers("probe", 1)
        )

    assert response.json() == {"result": expected}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        testing.identity_headers("another", 1),
        testing.identity_headers("probe", 0),
        testing.identity_headers("probe", 1, scope=KeyScope.read),
    ],
)
async def test_a_request_without_the_identity_of_a_writer_is_left_to_the_framework(
    app: FastAPI, headers: dict[str, str]
) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://service"
    ) as client:
        response = await client.delete("/things/7", headers=headers)

    assert response.json() == {"result": ""}
