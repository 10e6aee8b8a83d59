"""What processes tell of themselves: one trace from end to end, and reports with nothing private.

The system here is one of these tests' own: its settings name a collector and a Sentry, and its
database is made to refuse what it is told.
"""

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aio_pika
import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deploy.local import health, postgres
from deploy.local.instance import Instance
from deploy.local.places import REPOSITORY
from tests.gateway.neighbours import OWNER, Neighbour
from tests.journeys.company import Company, company_at, png, until
from tests.waiting import eventually

from .receivers import Receiver, Seen, receiving

pytestmark = pytest.mark.slow

PRIVATE = "hushhush"
"""Stands in every text, name, description and query that is sent here."""

QUIET = {"users.person": "name", "tweets.tweet": "content", "media.media": "alt"}
REFUSALS = (
    *(
        f"alter table {table} add constraint quiet check ({column} not like '%hush%') not valid"
        for table, column in QUIET.items()
    ),
    "alter table feed.tweet rename to away",
)
MENDED = (
    *(f"alter table {table} drop constraint if exists quiet" for table in QUIET),
    "alter table if exists feed.away rename to tweet",
)
POISONED = {
    "tweets": "tweets.media.uploaded.v1",
    "media": "media.tweet.deleted.v1",
    "feed": "feed.tweet.posted.v1",
}


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def observed(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    settings = {
        "WARBLE_HOME": os.environ.get("WARBLE_TEST_HOME", ".local/test") + "-observed",
        "WARBLE_PORT": str(int(os.environ.get("WARBLE_TEST_PORT", "18000")) + 100),
        "WARBLE_ENV_FILE": "",
        "GATEWAY_RATE_LIMITS": "off",
        "GATEWAY_WEB_DIR": str(tmp_path_factory.mktemp("page")),
        "SENTRY_DSN": receiver.dsn,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }

    def local(command: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "deploy.local", command],
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            check=True,
        )

    try:
        local("up")
        yield Instance(REPOSITORY / settings["WARBLE_HOME"], int(settings["WARBLE_PORT"]), settings)
    finally:
        local("down")


@pytest.fixture
async def company(observed: Instance) -> AsyncIterator[Company]:
    async with company_at(observed) as company:
        yield company


async def test_a_tweet_with_a_picture_is_one_trace_from_the_gateway_to_the_feed(
    company: Company, receiver: Receiver
) -> None:
    ann = await company.hire("Ann")
    media_id = await ann.upload(alt=PRIVATE)
    tweet_id = await ann.post(PRIVATE, [media_id])
    await until(ann, lambda feed: [tweet["id"] for tweet in feed] == [tweet_id])
    await ann.ask("GET", f"/api/users?query={PRIVATE}", headers={"cookie": f"a={PRIVATE}"})

    def of(name: str, process: str) -> list[Seen]:
        return [span for span in receiver.spans if (span.name, span.process) == (name, process)]

    def whole(*wanted: tuple[str, str]) -> bool:
        traces = [{span.trace_id for span in of(*one)} for one in wanted]
        return bool(set.intersection(*traces))

    receiver.until(
        lambda: whole(
            ("POST /api/tweets", "gateway gateway"),
            ("POST tweets", "gateway gateway"),
            ("POST /api/tweets", "tweets api"),
            ("INSERT", "tweets api"),
            ("publish tweet.posted.v1", "tweets worker"),
            ("process feed.tweet.posted.v1", "feed worker"),
            ("INSERT", "feed worker"),
        )
    )
    receiver.until(
        lambda: whole(
            ("POST /api/medias", "gateway gateway"),
            ("s3 put", "media api"),
            ("publish media.uploaded.v1", "media worker"),
            ("process tweets.media.uploaded.v1", "tweets worker"),
        )
    )
    receiver.until(lambda: of("GET /api/users", "users api"))
    (posted,) = of("POST /api/tweets", "gateway gateway")
    trace = [span for span in receiver.spans if span.trace_id == posted.trace_id]
    spans = {span.span_id for span in trace}
    assert [span.name for span in trace if span.parent_id not in spans] == ["POST /api/tweets"]
    for span in receiver.spans:
        for private in (PRIVATE, ann.key, company.administrator.key):
            assert private not in span.raw


async def _as_owner(observed: Instance, statement: str) -> None:
    async with postgres.connected(observed.database()) as connection:
        await connection.execute(statement)


@pytest.fixture
async def refusing(observed: Instance) -> AsyncIterator[None]:
    """Each service's database refuses what is private, and says so with the whole row."""
    try:
        # A run that was cut off may have left it refusing.
        for statement in (*MENDED, *REFUSALS):
            await _as_owner(observed, statement)
        yield
    finally:
        for statement in MENDED:
            await _as_owner(observed, statement)


def _report(receiver: Receiver, service: str, role: str, request_id: str | None) -> dict[str, Any]:
    """The report of this process, once it is there."""

    def found() -> list[dict[str, Any]]:
        return [
            report
            for report in receiver.reports
            if (report["tags"]["service"], report["tags"]["role"]) == (service, role)
            and report["tags"].get("request_id") == request_id
        ]

    receiver.until(found)
    return found()[0]


@pytest.mark.usefixtures("refusing")
async def test_a_failing_request_is_reported_and_logged_without_what_is_private(
    company: Company, observed: Instance, receiver: Receiver
) -> None:
    ann = await company.hire("Ann")
    calls: dict[str, tuple[str, str, dict[str, Any]]] = {
        "users": ("PATCH", f"/api/users/{ann.id}", {"json": {"name": PRIVATE}}),
        "tweets": ("POST", "/api/tweets", {"json": {"tweet_data": PRIVATE}}),
        "media": ("POST", "/api/medias", {"files": {"file": png()}, "data": {"alt": PRIVATE}}),
        "feed": ("GET", f"/api/tweets?limit=5&query={PRIVATE}", {}),
    }
    for service, (method, path, body) in calls.items():
        request_id = f"failing-{secrets.token_hex(8)}"
        headers = {"x-request-id": request_id, "cookie": f"session={PRIVATE}"}

        answer = await ann.ask(method, path, headers=headers, **body)
        report = await asyncio.to_thread(_report, receiver, service, "api", request_id)

        assert (answer.status_code, answer.json()["error_type"]) == (500, "InternalError")
        assert report["user"] == {"id": str(ann.id)}
        _holds_nothing_private(report, PRIVATE, "hush", ann.key)
    for log in (observed.root / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        for private in (PRIVATE, ann.key, company.administrator.key):
            assert private not in text, log


def _holds_nothing_private(report: dict[str, Any], *private: str) -> None:
    for word in (*private, "api-key", "cookie"):
        assert word not in str(report), report


async def test_a_message_that_is_buried_is_reported_with_its_request_and_without_its_body(
    observed: Instance, receiver: Receiver
) -> None:
    connection = await aio_pika.connect(observed.broker_url)
    async with connection, connection.channel() as channel:
        for service, queue in POISONED.items():
            request_id = f"poison-{secrets.token_hex(8)}"
            message = aio_pika.Message(
                f'{{"content": "{PRIVATE}"}}'.encode(),
                message_id="test:1",
                headers={"request_id": request_id},
            )

            await channel.default_exchange.publish(message, queue)
            report = await asyncio.to_thread(_report, receiver, service, "worker", request_id)

            _holds_nothing_private(report, PRIVATE)
            dead = await channel.get_queue(f"{queue}.dead")
            buried = await eventually(lambda: dead.get(no_ack=True, fail=False))  # noqa: B023
            assert PRIVATE not in str(buried.headers)


async def test_a_relay_that_fails_is_reported(observed: Instance, receiver: Receiver) -> None:
    await _as_owner(observed, "alter table users.outbox rename to away")
    try:
        report = await asyncio.to_thread(_report, receiver, "users", "worker", None)
    finally:
        await _as_owner(observed, "alter table users.away rename to outbox")

    assert "UndefinedTableError" in str(report)


_GATEWAY = (sys.executable, "-m", "uvicorn", "gateway.main:create_app", "--factory")


async def _owner_of_a_strange_kind(_: Request) -> Response:
    return JSONResponse(OWNER | {"key_id": {}})


async def test_a_fault_of_the_gateway_is_reported_without_what_is_private(
    observed: Instance, receiver: Receiver, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """The gateway asks a service whose answer nobody expects."""
    port = unused_tcp_port_factory()
    async with Neighbour(_owner_of_a_strange_kind, unused_tcp_port_factory()).running() as users:
        environment = observed.service_environment("gateway") | {"GATEWAY_USERS_URLS": users.url}
        process = subprocess.Popen(
            [*_GATEWAY, "--port", str(port)],
            cwd=REPOSITORY,
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            await asyncio.to_thread(health.wait_until, lambda: health.is_alive(url), 60, url)
            async with httpx.AsyncClient(base_url=url, cookies={"a": PRIVATE}) as client:
                answer = await client.post(
                    f"/api/tweets?query={PRIVATE}",
                    json={"tweet_data": PRIVATE},
                    headers={"api-key": PRIVATE, "x-request-id": "a-fault-of-the-gateway"},
                )
            report = await asyncio.to_thread(
                _report, receiver, "gateway", "gateway", "a-fault-of-the-gateway"
            )
        finally:
            process.terminate()
            process.wait()

    assert (answer.status_code, answer.json()["error_type"]) == (500, "InternalError")
    assert report["user"] == {"id": "7"}
    _holds_nothing_private(report, PRIVATE)
