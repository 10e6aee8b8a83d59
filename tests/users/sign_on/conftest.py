import json
import secrets
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from services.users import api_process
from services.users.openid import Providers
from tests import identity_provider
from tests.identity_provider import IdentityProvider

GROUPS = {
    "admitting_groups": ["staff"],
    "administrator_groups": ["admins"],
    "moderator_groups": ["moderators"],
}


@pytest.fixture(scope="session")
async def two_providers() -> AsyncIterator[tuple[IdentityProvider, IdentityProvider]]:
    """Started once per session, because a server takes a while to stop."""
    async with identity_provider.running() as one, identity_provider.running() as other:
        yield one, other


@pytest.fixture
def provider(two_providers: tuple[IdentityProvider, IdentityProvider]) -> IdentityProvider:
    provider, _ = two_providers
    provider.reset(f"ann-{secrets.token_hex(4)}")
    return provider


@pytest.fixture
def other(two_providers: tuple[IdentityProvider, IdentityProvider]) -> IdentityProvider:
    _, other = two_providers
    other.reset("ann")
    return other


@pytest.fixture(scope="module")
def app(
    as_service: Callable[[str], None], two_providers: tuple[IdentityProvider, IdentityProvider]
) -> FastAPI:
    as_service("users")
    provider, other = two_providers
    settings = {
        "company": provider.settings(**GROUPS, department_claim="department"),
        "partner": other.settings(admitting_groups=["*"]),
    }
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("USERS_SIGN_ON", json.dumps(settings))
        return api_process.create_app()


@pytest.fixture
async def users(
    app: FastAPI, provider: IdentityProvider, other: IdentityProvider
) -> AsyncIterator[httpx.AsyncClient]:
    # Nothing is known of the providers of the test before.
    app.state.providers = Providers(app.state.settings.sign_on)
    async with testing.client_for(app) as client:
        yield client
