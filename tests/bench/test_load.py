import asyncio
import time

from aiohttp import web
from aiohttp.test_utils import TestServer

from bench.load import Ask, always, closed, opened, percentile
from bench.wire import request


class Server:
    """Answers every request once it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked = 0

    def serving(self) -> TestServer:
        application = web.Application()
        application.router.add_get("/", self._answer)
        return TestServer(application)

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.may.wait()
        return web.Response()


async def test_a_request_counts_from_when_it_was_due_though_the_one_before_has_no_answer() -> None:
    server = Server()
    due_at: list[float] = []
    released_at: list[float] = []

    def choose() -> Ask:
        due_at.append(time.perf_counter())
        if len(due_at) == 20:
            released_at.append(time.perf_counter())
            server.may.set()
        return Ask(request(url, "/"))

    async with server.serving() as listening:
        url = str(listening.make_url("/"))
        measured = await opened([url], choose, rate=300, seconds=0.5, connections=1)

    latencies = measured.all()
    assert len(latencies) == len(due_at) == server.asked
    assert measured.failed == 0
    for latency, due in zip(latencies[:19], due_at, strict=False):
        assert latency >= released_at[0] - due


async def test_an_answer_of_another_status_is_a_failure() -> None:
    server = Server()
    server.may.set()
    async with server.serving() as listening:
        url = str(listening.make_url("/"))
        asked = Ask(request(url, "/"), status=304)

        measured = await closed([url], always(asked), count=7, connections=2)

    assert (measured.answered, measured.failed, server.asked) == (7, 7, 7)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    hundred = [float(number) for number in range(100, 0, -1)]

    assert percentile(hundred, 0.5) == 51
    assert percentile(hundred, 0.999) == 100
    assert percentile([], 0.5) == 0
