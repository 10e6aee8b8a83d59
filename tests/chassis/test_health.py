"""Readiness is permanent; the status names the dependencies that are unavailable."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI

from chassis.http import errors
from chassis.process import health
from chassis.process.health import Check


class Dependency:
    def __init__(self, *, responds: bool = True) -> None:
        self.responds = responds
        self.checks = 0

    async def check(self) -> None:
        self.checks += 1
        if not self.responds:
            raise ConnectionRefusedError


def health_client(checks: Mapping[str, Check], *needed_at_start: str) -> httpx.AsyncClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(health.router(checks, needed_at_start))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://process/health")


async def test_a_process_stays_ready_once_its_dependencies_have_responded() -> None:
    database, store = Dependency(responds=False), Dependency(responds=False)
    checks = {"database": database.check, "store": store.check}
    async with health_client(checks, "database") as client:
        starting = await client.get("/ready")
        database.responds = True
        started = await client.get("/ready")
        database.responds = False
        checks_before = database.checks
        later = await client.get("/ready")

        assert starting.status_code == 503
        assert starting.json() == {
            "result": False,
            "error_type": "NotReady",
            "error_message": "Not ready: no response yet from database.",
        }
        assert (started.status_code, later.status_code) == (200, 200)
        assert database.checks == checks_before
        assert store.checks == 0
        assert (await client.get("/live")).json() == {"result": True}


async def test_the_status_names_each_unavailable_dependency() -> None:
    store = Dependency(responds=False)
    async with health_client({"database": Dependency().check, "store": store.check}) as client:
        degraded = await client.get("/status")
        store.responds = True
        healthy = await client.get("/status")

        assert degraded.status_code == 503
        assert degraded.json() == {
            "result": False,
            "error_type": "Degraded",
            "error_message": "No response from store.",
            "checks": {"database": "ok", "store": "unavailable"},
        }
        assert healthy.status_code == 200
        assert healthy.json()["checks"] == {"database": "ok", "store": "ok"}


async def test_all_checks_run_at_once_and_a_silent_dependency_is_unavailable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    barrier = asyncio.Barrier(2)

    async def meet() -> None:
        await barrier.wait()

    async with health_client({"one": meet, "other": meet}, "one", "other") as client:
        assert (await client.get("/status")).status_code == 200
        assert (await client.get("/ready")).status_code == 200

    async def silent() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.01)
    async with health_client({"database": silent}, "database") as client:
        assert (await client.get("/status")).json()["checks"] == {"database": "unavailable"}
        assert (await client.get("/ready")).status_code == 503
