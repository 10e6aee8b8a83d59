from collections.abc import AsyncIterator

import pytest

from deploy.local.instance import Instance

from .company import Company, company_at


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The journeys share one running system, some of them stop a part of it: one at a time."""
    for item in items:
        if "tests/journeys" in item.path.as_posix():
            item.add_marker(pytest.mark.xdist_group("stack"))


@pytest.fixture
async def company(stack: Instance) -> AsyncIterator[Company]:
    async with company_at(stack) as company:
        yield company
