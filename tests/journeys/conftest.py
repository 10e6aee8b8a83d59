from collections.abc import AsyncIterator

import pytest

from deploy.local.instance import Instance

from .company import Company, company_at


@pytest.fixture
async def company(stack: Instance) -> AsyncIterator[Company]:
    async with company_at(stack) as company:
        yield company
