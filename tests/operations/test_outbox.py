"""The metric of pending events is exact while the broker is down, when operators need it."""

import pytest

from devstack import health, repository
from devstack.instance import Instance
from tests.journeys.company import Company, company_at
from tests.waiting import eventually


@pytest.mark.exclusive
async def test_pending_events_are_reported_while_the_broker_is_down_and_after(
    stack: Instance,
) -> None:
    async with company_at(stack) as company:

        async def until_pending(expected: bool) -> None:
            async def is_as_expected() -> bool:
                return (await _pending(company) > 0) == expected

            await eventually(is_as_expected)

        ann = await company.hire("Ann")
        await until_pending(False)
        try:
            stack.stop("rabbitmq")
            await ann.post()
            await until_pending(True)
        finally:
            stack.start("rabbitmq")
            for url in (stack.url("gateway") or "", *map(stack.worker_url, repository.SERVICES)):
                health.wait_until_healthy(url, 60)
        await until_pending(False)


async def _pending(company: Company) -> float:
    url = company.instance.worker_url("tweets")
    metrics = (await company.http.get(f"{url}/metrics")).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("warble_outbox_pending")]
    return float(line.split()[1])
