"""Which requests wait for a service that is busy, and which are refused. Time is simulated."""

import asyncio
from collections import deque

import pytest

from gateway.admission_queue import (
    BURST_SECONDS,
    MAX_WAIT_SECONDS,
    STANDING_SECONDS,
    AdmissionQueue,
    QueueFull,
)

ROOM = 50


class Service:
    """A service that answers one request after another, and clients that send to it."""

    def __init__(self) -> None:
        self.queue = AdmissionQueue(lambda: ROOM - len(self.unanswered))
        # Far ahead of the real time, so that the queue's timer has no effect.
        self.now = asyncio.get_running_loop().time() + 10_000
        self.unanswered: deque[float] = deque()
        """When each request that the service has was sent by its client."""
        self.waited: list[tuple[float, float]] = []
        """When each request was admitted, and how long it had waited."""
        self.refused: list[tuple[float, float]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _request(self) -> None:
        sent_at = self.now
        try:
            if not self.queue.has_room():
                await self.queue.wait(self.now)
        except QueueFull:
            self.refused.append((self.now, self.now - sent_at))
        else:
            self.unanswered.append(sent_at)
            self.waited.append((self.now, self.now - sent_at))

    async def send(self, count: int = 1) -> None:
        self.tasks += [asyncio.create_task(self._request()) for _ in range(count)]
        await self._settle()

    async def answer(self, count: int = 1) -> None:
        for _ in range(min(count, len(self.unanswered))):
            self.unanswered.popleft()
        if not self.queue.is_empty:
            self.queue.admit(self.now)
        await self._settle()

    async def advance(self, seconds: float) -> None:
        self.now += seconds
        self.queue.expire(self.now)
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def overload(self, seconds: float, *, requests: int = 10, answers: int = 5) -> None:
        """Sends more requests than are answered, every 10 ms."""
        for _ in range(int(seconds / 0.01)):
            await self.send(requests)
            await self.answer(answers)
            await self.advance(0.01)


@pytest.fixture
async def service() -> Service:
    return Service()


async def test_a_burst_is_admitted_as_fast_as_it_is_answered(service: Service) -> None:
    await service.send(300)
    for _ in range(30):
        assert len(service.unanswered) <= ROOM
        await service.advance(0.03)
        await service.answer(10)

    assert len(service.waited) == 300
    assert not service.refused
    assert [waited for _, waited in service.waited] == sorted(
        waited for _, waited in service.waited
    )


async def test_bursts_may_follow_one_another(service: Service) -> None:
    for _ in range(20):
        await service.send(300)
        # The queue is empty after 25 rounds, and then for twice STANDING_SECONDS.
        for _ in range(35):
            await service.advance(0.02)
            await service.answer(10)

    assert len(service.waited) == 20 * 300
    assert not service.refused


async def test_a_request_waits_for_a_limited_time(service: Service) -> None:
    await service.send(ROOM + 10)
    await service.advance(BURST_SECONDS / 2)
    await service.send(5)
    await service.advance(MAX_WAIT_SECONDS - BURST_SECONDS / 2)

    assert len(service.refused) == 10
    await service.advance(BURST_SECONDS / 2)
    assert len(service.refused) == 15


async def test_in_a_lasting_overload_requests_are_served_soon_or_refused_at_once(
    service: Service,
) -> None:
    started_at = service.now
    await service.overload(6.0)

    lasting = started_at + 3.0
    waited = [seconds for moment, seconds in service.waited if moment > lasting]
    refused = [seconds for moment, seconds in service.refused if moment > lasting]
    assert len(waited) == pytest.approx(1_500, abs=50), "the service has always something to do"
    assert len(refused) == pytest.approx(1_500, abs=50)
    assert max(waited) <= 1.5 * STANDING_SECONDS
    assert max(refused) == 0.0


async def test_a_service_that_stops_answering_gets_no_long_queue(service: Service) -> None:
    await service.overload(2 * MAX_WAIT_SECONDS, requests=5, answers=0)
    before = len(service.refused)
    await service.overload(2 * MAX_WAIT_SECONDS, requests=5, answers=0)

    waited = [seconds for _, seconds in service.refused[before:]]
    assert sum(seconds == 0.0 for seconds in waited) > 0.8 * len(waited)


async def test_after_an_overload_a_burst_is_admitted_again(service: Service) -> None:
    await service.overload(3.0)
    while service.unanswered:
        await service.advance(0.01)
        await service.answer(5)
    await service.advance(STANDING_SECONDS)
    service.waited.clear()
    service.refused.clear()

    await service.send(300)
    for _ in range(30):
        await service.advance(0.03)
        await service.answer(10)

    assert len(service.waited) == 300


async def test_a_request_that_is_cancelled_leaves_its_place_to_the_next(service: Service) -> None:
    await service.send(ROOM + 2)
    service.tasks[ROOM].cancel()
    await service.answer()
    assert len(service.waited) == ROOM + 1

    # The next one is cancelled after it was admitted, and before it runs.
    await service.send(2)
    service.unanswered.popleft()
    service.queue.admit(service.now)
    service.tasks[ROOM + 2].cancel()
    await service.answer(0)
    await service.answer(0)

    assert len(service.unanswered) == ROOM
