"""Which errors mean that a dependency is unavailable, and which are faults of our own."""

import errno
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import sentry_sdk
from fastapi import FastAPI
from sqlalchemy import text

from chassis.database.pool import Pool
from chassis.database.session import Database, execute, fetch
from chassis.http import errors
from chassis.observability import error_reporting
from services.tweets.settings import Settings


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The errors that were sent to Sentry."""
    sent: list[Exception] = []
    monkeypatch.setattr(error_reporting, "_is_enabled", True)
    monkeypatch.setattr(sentry_sdk, "capture_exception", sent.append)
    return sent


async def answer_to(work: Callable[[], Any]) -> tuple[int, str]:
    """The status and the error type of a route that runs `work`."""
    app = FastAPI()
    errors.install(app)

    @app.get("/")
    async def route() -> None:
        await work()

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        response = await client.get("/")
    return response.status_code, response.json()["error_type"]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "no such file"),
        PermissionError(errno.EACCES, "not allowed"),
        OSError(errno.ENOSPC, "no space on this machine"),
        OSError("without a number"),
        asyncpg.ClientConfigurationError("wrong setting"),
        asyncpg.UnsupportedClientFeatureError("unknown type"),
    ],
    ids=repr,
)
async def test_a_fault_of_our_own_is_500_and_reported(
    error: Exception, reported: list[Exception]
) -> None:
    async def work() -> None:
        raise error

    assert await answer_to(work) == (500, "InternalError")
    assert reported == [error]
    assert not errors.is_dependency_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        OSError(errno.EHOSTUNREACH, "no route"),
        OSError(errno.ENETUNREACH, "no network"),
        # Python makes a TimeoutError of this number: TCP gave up on the connection.
        OSError(errno.ETIMEDOUT, "the peer does not answer"),
        socket.gaierror(socket.EAI_AGAIN, "no name server"),
        asyncpg.InterfaceError("connection is closed"),
    ],
    ids=repr,
)
async def test_a_connection_that_fails_is_503_and_not_reported(
    error: Exception, reported: list[Exception]
) -> None:
    async def work() -> None:
        raise error

    assert await answer_to(work) == (503, "ServiceUnavailable")
    assert reported == []
    assert errors.is_dependency_unavailable(error)


@pytest.mark.parametrize("through", ["driver", "sqlalchemy"])
async def test_a_statement_that_takes_too_long_is_504_and_reported(
    database: Database, reported: list[Exception], monkeypatch: pytest.MonkeyPatch, through: str
) -> None:
    monkeypatch.setattr("chassis.database.session.STATEMENT_TIMEOUT_SECONDS", 1)
    impatient = Database(Settings())
    lock = "select pg_advisory_xact_lock(6001)"

    async def work() -> None:
        async with impatient.transaction() as session:
            if through == "driver":
                await fetch(session, lock)
            else:
                await execute(session, text(lock))

    try:
        async with database.transaction() as session:
            await fetch(session, lock)
            answered = await answer_to(work)
    finally:
        await impatient.close()

    assert answered == (504, "ServiceTimeout")
    (error,) = reported
    assert not errors.is_dependency_unavailable(error)


async def test_a_statement_that_the_server_cancels_is_504_and_reported(
    database: Database, reported: list[Exception]
) -> None:
    async def work() -> None:
        async with database.transaction() as session:
            await execute(session, text("set local statement_timeout = '1ms'"))
            await execute(session, text("select pg_sleep(60)"))

    assert await answer_to(work) == (504, "ServiceTimeout")
    assert len(reported) == 1


async def test_a_database_that_does_not_accept_in_time_is_503(
    database: Database, reported: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWEETS_DB_CONNECTION_TIMEOUT_SECONDS", "0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DB_HOST", "127.0.0.1")
        monkeypatch.setenv("DB_PORT", str(silent.getsockname()[1]))
        unanswered = Database(Settings())

        async def through_the_pool() -> None:
            async with unanswered.transaction() as session:
                await fetch(session, "select 1")

        answers = [await answer_to(through_the_pool), await answer_to(unanswered.connect)]
        await unanswered.close()

    assert answers == [(503, "ServiceUnavailable")] * 2
    assert reported == []


async def test_a_database_without_its_socket_file_is_503(
    database: Database,
    reported: list[Exception],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("DB_HOST", str(tmp_path))
    unanswered = Database(Settings())

    answered = await answer_to(unanswered.connect)
    await unanswered.close()

    assert answered == (503, "ServiceUnavailable")
    assert reported == []


async def test_a_pool_without_a_free_connection_is_503(
    database: Database, reported: list[Exception]
) -> None:
    connections = Pool(database.connect, 1, timeout_seconds=0)

    async def work() -> None:
        async with connections.acquire():
            raise AssertionError("There is none.")

    async with connections.acquire():
        answered = await answer_to(work)
    connections.close()

    assert answered == (503, "ServiceUnavailable")
    assert reported == []


def test_a_report_has_no_address_of_a_picture() -> None:
    event = {
        "request": {"method": "GET", "url": "http://media/uploads/unguessable.png"},
        # Sentry takes the path if no route was found.
        "transaction": "/uploads/unguessable.png",
        "transaction_info": {"source": "url"},
    }

    report = error_reporting._scrub(event, {})

    assert report["request"] == {"method": "GET"}
    assert "unguessable" not in json.dumps(report)
