import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis import testing
from devstack.instance import Instance
from gateway import main, static_site, stream_proxy
from gateway.settings import SERVICES
from tests.waiting import PATIENCE_SECONDS

from .fake_services import (
    Behaviour,
    FakeServices,
    RunningGateway,
    StartGateway,
    echo,
    owner_of_any_key,
)


@pytest.fixture(scope="session")
async def fake_services(unused_tcp_port_factory: Callable[[], int]) -> AsyncIterator[FakeServices]:
    """Started once per session, because a server takes a while to stop."""
    async with contextlib.AsyncExitStack() as running:
        yield FakeServices(running, unused_tcp_port_factory)


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Instance:
    """The system whose broker the gateways of a test use."""
    is_exclusive = request.node.get_closest_marker("exclusive")
    system: Instance = request.getfixturevalue("stack" if is_exclusive else "infrastructure")
    return system


@pytest.fixture
async def start_gateway(
    broker: Instance,
    monkeypatch: pytest.MonkeyPatch,
    fake_services: FakeServices,
    tmp_path: Path,
) -> StartGateway:
    # Without a built page, the tests do not depend on whether web/ was built.
    monkeypatch.setattr(static_site, "OWN_PAGE", tmp_path)

    @contextlib.asynccontextmanager
    async def start(
        urls: dict[str, str] | None = None, **behaviours: Behaviour
    ) -> AsyncIterator[RunningGateway]:
        own = broker.service_environment("gateway")["GATEWAY_BROKER_URL"]
        monkeypatch.setenv("GATEWAY_BROKER_URL", own)
        monkeypatch.setenv("GATEWAY_IDENTITY_PRIVATE_KEY", testing.PRIVATE_KEY)
        async with contextlib.AsyncExitStack() as stack:
            services = {}
            for service in (*SERVICES, stream_proxy.SERVICE):
                behaviour = behaviours.get(service)
                behaviour = behaviour or (owner_of_any_key if service == "users" else echo)
                fake_service = await stack.enter_async_context(
                    fake_services.running_with(behaviour)
                )
                services[service] = fake_service
                url = (urls or {}).get(service, "{own}").format(own=fake_service.url)
                monkeypatch.setenv(f"GATEWAY_{service.upper()}_URLS", url)
            app: Any = main.create_app()
            application = app._application
            await stack.enter_async_context(application.router.lifespan_context(application))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not application.state.credentials.receives_revocations:
                    await asyncio.sleep(0.01)
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://gateway")
            yield RunningGateway(app, await stack.enter_async_context(client), services)

    return start
