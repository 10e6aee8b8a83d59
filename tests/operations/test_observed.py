"""Traces reach from end to end, and error reports contain no private data.

These tests have their own system, whose settings name a trace collector and a Sentry server. To
cause errors, they add constraints to its database that reject the tests' data.
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

from devstack import health
from devstack.instance import Instance
from devstack.repository import REPOSITORY
from operate import postgres
from tests.gateway.fake_services import OWNER, PERSON, FakeService
from tests.journeys.company import Company, company_at, png, until
from tests.waiting import PATIENCE_SECONDS, eventually

from .receivers import ReceivedSpan, Receiver, receiving

pytestmark = pytest.mark.slow

PRIVATE = "hushhush"
"""Part of every text, name, description and query in these tests."""

CONSTRAINED = {"users.person": "name", "tweets.tweet": "content", "media.media": "alt"}
ADD_CONSTRAINTS = (
    *(
        f"alter table {table} add constraint rejected check ({column} not like '%hush%') not valid"
        for table, column in CONSTRAINED.items()
    ),
    "alter table feed.tweet rename to away",
    "alter table notifications.seen rename to away",
)
REMOVE_CONSTRAINTS = (
    *(f"alter table {table} drop constraint if exists rejected" for table in CONSTRAINED),
    "alter table if exists feed.away rename to tweet",
    "alter table if exists notifications.away rename to seen",
)
QUEUES = {
    "tweets": "tweets.media.uploaded.v1",
    "media": "media.tweet.deleted.v1",
    "feed": "feed.tweet.posted.v1",
    "notifications": "notifications.tweet.posted.v1",
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

    def devstack(command: str) -> None:
        subprocess.run(
            [sys.executable, "-m", "devstack", command],
            cwd=REPOSITORY,
            env={**os.environ, **settings},
            check=True,
        )

    try:
        devstack("up")
        yield Instance(REPOSITORY / settings["WARBLE_HOME"], int(settings["WARBLE_PORT"]), settings)
    finally:
        devstack("down")


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

    def of(name: str, process: str) -> list[ReceivedSpan]:
        return [span for span in receiver.spans if (span.name, span.process) == (name, process)]

    def in_one_trace(*spans: tuple[str, str]) -> bool:
        traces = [{span.trace_id for span in of(*one)} for one in spans]
        return bool(set.intersection(*traces))

    receiver.wait_until(
        lambda: in_one_trace(
            ("POST /api/tweets", "gateway gateway"),
            ("POST tweets", "gateway gateway"),
            ("POST /api/tweets", "tweets api"),
            ("WITH", "tweets api"),
            ("publish tweet.posted.v1", "tweets worker"),
            ("process feed.tweet.posted.v1", "feed worker"),
            ("WITH", "feed worker"),
        )
    )
    receiver.wait_until(
        lambda: in_one_trace(
            ("POST /api/medias", "gateway gateway"),
            ("s3 put", "media api"),
            ("publish media.uploaded.v1", "media worker"),
            ("process tweets.media.uploaded.v1", "tweets worker"),
        )
    )
    receiver.wait_until(lambda: of("GET /api/users", "users api"))
    (posted,) = of("POST /api/tweets", "gateway gateway")
    trace = [span for span in receiver.spans if span.trace_id == posted.trace_id]
    spans = {span.span_id for span in trace}
    assert [span.name for span in trace if span.parent_id not in spans] == ["POST /api/tweets"]
    for span in receiver.spans:
        for private in (PRIVATE, ann.key, company.administrator.key):
            assert private not in span.raw


async def _as_owner(observed: Instance, statement: str) -> None:
    async with postgres.connect(observed.database()) as connection:
        await connection.execute(statement)


@pytest.fixture
async def rejecting_database(observed: Instance) -> AsyncIterator[None]:
    """The tables reject private data, with errors that contain the whole row."""
    try:
        # An interrupted run may have left the constraints.
        for statement in (*REMOVE_CONSTRAINTS, *ADD_CONSTRAINTS):
            await _as_owner(observed, statement)
        yield
    finally:
        for statement in REMOVE_CONSTRAINTS:
            await _as_owner(observed, statement)


def _report(receiver: Receiver, service: str, role: str, request_id: str | None) -> dict[str, Any]:
    """Waits for the report of this process."""

    def found() -> list[dict[str, Any]]:
        return [
            report
            for report in receiver.reports
            if (report["tags"]["service"], report["tags"]["role"]) == (service, role)
            and report["tags"].get("request_id") == request_id
        ]

    receiver.wait_until(found)
    return found()[0]


@pytest.mark.usefixtures("rejecting_database")
async def test_a_failing_request_is_reported_and_logged_without_private_data(
    company: Company, observed: Instance, receiver: Receiver
) -> None:
    ann = await company.hire("Ann")
    calls: dict[str, tuple[str, str, dict[str, Any]]] = {
        "users": ("PATCH", f"/api/users/{ann.id}", {"json": {"name": PRIVATE}}),
        "tweets": ("POST", "/api/tweets", {"json": {"tweet_data": PRIVATE}}),
        "media": ("POST", "/api/medias", {"files": {"file": png()}, "data": {"alt": PRIVATE}}),
        "feed": ("GET", f"/api/tweets?limit=5&query={PRIVATE}", {}),
        "notifications": ("GET", f"/api/notifications?query={PRIVATE}", {}),
    }
    for service, (method, path, body) in calls.items():
        request_id = f"failing-{secrets.token_hex(8)}"
        headers = {"x-request-id": request_id, "cookie": f"session={PRIVATE}"}

        answer = await ann.ask(method, path, headers=headers, **body)
        report = await asyncio.to_thread(_report, receiver, service, "api", request_id)

        assert (answer.status_code, answer.json()["error_type"]) == (500, "InternalError")
        assert report["user"] == {"id": str(ann.id)}
        _assert_contains_no_private_data(report, PRIVATE, "hush", ann.key)
    for log in (observed.root / "logs").glob("*.log"):
        text = log.read_text(errors="replace")
        for private in (PRIVATE, ann.key, company.administrator.key):
            assert private not in text, log


def _assert_contains_no_private_data(report: dict[str, Any], *private: str) -> None:
    for word in (*private, "api-key", "cookie"):
        assert word not in str(report), report


async def test_a_dead_letter_is_reported_with_its_request_id_and_without_its_body(
    observed: Instance, receiver: Receiver
) -> None:
    connection = await aio_pika.connect(observed.broker_url)
    async with connection, connection.channel() as channel:
        for service, queue in QUEUES.items():
            request_id = f"poison-{secrets.token_hex(8)}"
            message = aio_pika.Message(
                f'{{"content": "{PRIVATE}"}}'.encode(),
                message_id="test:1",
                headers={"request_id": request_id},
            )

            await channel.default_exchange.publish(message, queue)
            report = await asyncio.to_thread(_report, receiver, service, "worker", request_id)

            _assert_contains_no_private_data(report, PRIVATE)
            dead = await channel.get_queue(f"{queue}.dead")
            dead_letter = await eventually(lambda: dead.get(no_ack=True, fail=False))  # noqa: B023
            assert PRIVATE not in str(dead_letter.headers)


async def test_a_relay_that_fails_is_reported(observed: Instance, receiver: Receiver) -> None:
    await _as_owner(observed, "alter table users.outbox rename to away")
    try:
        report = await asyncio.to_thread(_report, receiver, "users", "worker", None)
    finally:
        await _as_owner(observed, "alter table users.away rename to outbox")

    assert "UndefinedTableError" in str(report)


_GATEWAY = (sys.executable, "-m", "uvicorn", "gateway.main:create_app", "--factory")


async def _invalid_owner(_: Request) -> Response:
    return JSONResponse(OWNER | {"key_id": {}})


async def test_an_error_of_the_gateway_is_reported_without_private_data(
    observed: Instance, receiver: Receiver, unused_tcp_port_factory: Callable[[], int]
) -> None:
    """A service sends a response that the gateway cannot process."""
    port = unused_tcp_port_factory()
    async with FakeService(_invalid_owner, unused_tcp_port_factory()).running() as users:
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
            async with httpx.AsyncClient(
                base_url=url, cookies={"a": PRIVATE}, timeout=PATIENCE_SECONDS
            ) as client:
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
    assert report["user"] == {"id": str(PERSON)}
    _assert_contains_no_private_data(report, PRIVATE)
