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

from .neighbours import Behaviour, Edge, Made, Neighbour, echo, owner_of_any_key


@pytest.fixture
async def edge(
    infrastructure: Instance,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port_factory: Callable[[], int],
    tmp_path: Path,
) -> Made:
    # Whether our page is built is none of these tests' business.
    monkeypatch.setattr(page, "OURS", tmp_path)

    @contextlib.asynccontextmanager
    async def made(
        urls: dict[str, str] | None = None, **behaviours: Behaviour
    ) -> AsyncIterator[Edge]:
        own = infrastructure.service_environment("gateway")["GATEWAY_BROKER_URL"]
        monkeypatch.setenv("GATEWAY_BROKER_URL", own)
        monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
        monkeypatch.setenv("GATEWAY_ANSWER_SECONDS", "1")
        async with contextlib.AsyncExitStack() as stack:
            neighbours = {}
            for service in SERVICES:
                behaviour = behaviours.get(service)
                behaviour = behaviour or (owner_of_any_key if service == "users" else echo)
                neighbour = Neighbour(behaviour, unused_tcp_port_factory())
                neighbours[service] = await stack.enter_async_context(neighbour.running())
                url = (urls or {}).get(service, "{own}").format(own=neighbour.url)
                monkeypatch.setenv(f"GATEWAY_{service.upper()}_URLS", url)
            app: Any = main.create_app()
            application = app._application
            await stack.enter_async_context(application.router.lifespan_context(application))
            async with asyncio.timeout(10):
                while not application.state.keys.hears_revocations:
                    await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
            yield Edge(await stack.enter_async_context(client), neighbours)

    return made
