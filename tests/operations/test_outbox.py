"""The outbox tells how much it holds also while nobody takes it: that is when it is asked."""

import httpx
import pytest

from deploy.local import health, places
from deploy.local.instance import Instance
from tests.journeys.company import company_at
from tests.waiting import eventually


@pytest.mark.exclusive
@pytest.mark.usefixtures("broker_turn")
async def test_an_outbox_that_waits_for_the_broker_says_so_and_says_when_it_is_empty(
    stack: Instance,
) -> None:
    async with company_at(stack) as company, httpx.AsyncClient() as http:

        async def until_pending(wanted: bool) -> None:
            async def is_so() -> bool:
                return (await _pending(http, stack) > 0) == wanted

            await eventually(is_so)

        ann = await company.hire("Ann")
        await until_pending(False)
        try:
            stack.stop("rabbitmq")
            await ann.post()
            await until_pending(True)
        finally:
            stack.start("rabbitmq")
            for url in (stack.url("gateway") or "", *map(stack.worker_url, places.SERVICES)):
                health.wait_for(url, 60)
        await until_pending(False)


async def _pending(http: httpx.AsyncClient, stack: Instance) -> float:
    metrics = (await http.get(f"{stack.worker_url('tweets')}/metrics")).text
    (line,) = [line for line in metrics.splitlines() if line.startswith("warble_outbox_pending")]
    return float(line.split()[1])
