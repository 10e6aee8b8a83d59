"""A process that was ready stays ready whatever goes away; its status names what is away."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI

from chassis import errors, health
from chassis.health import Check


class Part:
    """A part that a process needs."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers = answers
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        if not self.answers:
            raise ConnectionRefusedError


def watched(checks: Mapping[str, Check], *needed_at_start: str) -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(health.router(checks, needed_at_start))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://process/health")


async def test_a_process_becomes_ready_when_what_it_needs_has_answered_and_stays_so() -> None:
    database, store = Part(answers=False), Part(answers=False)
    checks = {"database": database.check, "store": store.check}
    async with watched(checks, "database") as client:
        starting = await client.get("/ready")
        database.answers = True
        started = await client.get("/ready")
        database.answers = False
        asked = database.asked
        later = await client.get("/ready")

        assert starting.status_code == 503
        assert starting.json() == {
            "result": False,
            "error_type": "NotReady",
            "error_message": "Not ready: database did not answer since the start.",
        }
        assert (started.status_code, later.status_code) == (200, 200)
        assert database.asked == asked
        assert store.asked == 0
        assert (await client.get("/live")).json() == {"result": True}


async def test_the_status_names_each_part_that_is_away() -> None:
    store = Part(answers=False)
    async with watched({"database": Part().check, "store": store.check}) as client:
        degraded = await client.get("/status")
        store.answers = True
        whole = await client.get("/status")

        assert degraded.status_code == 503
        assert degraded.json() == {
            "result": False,
            "error_type": "Degraded",
            "error_message": "Does not answer: store.",
            "checks": {"database": "ok", "store": "away"},
        }
        assert whole.status_code == 200
        assert whole.json()["checks"] == {"database": "ok", "store": "ok"}


async def test_all_parts_are_asked_at_once_and_a_silent_one_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = asyncio.Barrier(2)

    async def meets() -> None:
        await both.wait()

    async with watched({"one": meets, "other": meets}, "one", "other") as client:
        assert (await client.get("/status")).status_code == 200
        assert (await client.get("/ready")).status_code == 200

    async def silent() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_SECONDS", 0.01)
    async with watched({"database": silent}, "database") as client:
        assert (await client.get("/status")).json()["checks"] == {"database": "away"}
        assert (await client.get("/ready")).status_code == 503
