import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis import testing
from deploy.local.instance import Instance
from gateway import main, page
from gateway.settings import SERVICES
from tests.waiting import PATIENCE_SECONDS

from .neighbours import Behaviour, Edge, Made, Neighbours, echo, owner_of_any_key


@pytest.fixture(scope="session")
async def neighbours(unused_tcp_port_factory: Callable[[], int]) -> AsyncIterator[Neighbours]:
    """Servers in place of the services. They start once, because each takes a while to stop."""
    async with contextlib.AsyncExitStack() as running:
        yield Neighbours(running, unused_tcp_port_factory)


@pytest.fixture
async def edge(
    broker_turn: None,
    infrastructure: Instance,
    monkeypatch: pytest.MonkeyPatch,
    neighbours: Neighbours,
    tmp_path: Path,
) -> Made:
    # The tests of the gateway's page build their own page.
    monkeypatch.setattr(page, "OURS", tmp_path)

    @contextlib.asynccontextmanager
    async def made(
        urls: dict[str, str] | None = None, **behaviours: Behaviour
    ) -> AsyncIterator[Edge]:
        own = infrastructure.service_environment("gateway")["GATEWAY_BROKER_URL"]
        monkeypatch.setenv("GATEWAY_BROKER_URL", own)
        monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
        async with contextlib.AsyncExitStack() as stack:
            services = {}
            for service in SERVICES:
                behaviour = behaviours.get(service)
                behaviour = behaviour or (owner_of_any_key if service == "users" else echo)
                neighbour = await stack.enter_async_context(neighbours.behaving(behaviour))
                services[service] = neighbour
                url = (urls or {}).get(service, "{own}").format(own=neighbour.url)
                monkeypatch.setenv(f"GATEWAY_{service.upper()}_URLS", url)
            app: Any = main.create_app()
            application = app._application
            await stack.enter_async_context(application.router.lifespan_context(application))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not application.state.keys.hears_revocations:
                    await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
            yield Edge(await stack.enter_async_context(client), services)

    return made
