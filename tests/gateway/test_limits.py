"""How much each may ask for: no more, whoever counts, and nothing taken from anybody else."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from chassis import api_keys
from chassis.errors import TooManyRequests
from gateway.limits import MINUTE, Allowance, address_of
from tests.waiting import eventually

from .neighbours import OWNER, Edge, Made, error

Sets = Callable[..., None]
GOOD = {"api-key": api_keys.generate()}
NOBODYS = f"{secrets.token_hex(5)}: "
"""Ten characters that no other test's guesses begin with."""


async def users(request: Request) -> Response:
    """Two people's keys are good, one was, and all others are nobody's."""
    for user_id, key in enumerate((GOOD["api-key"], "another"), 7):
        if request.url.path.endswith(api_keys.digest(key.encode()).hex()):
            return JSONResponse(OWNER | {"user_id": user_id})
    if request.url.path.endswith(api_keys.digest(b"ended").hex()):
        return JSONResponse({"result": False, "error_type": "KeyEnded"}, 404)
    if request.method == "POST" and request.url.path == "/internal/sessions":
        return JSONResponse({"seconds": 60}, 201)
    if request.url.path.startswith("/internal/keys/"):
        return JSONResponse({"result": False, "error_type": "KeyNotFound"}, 404)
    return JSONResponse({"result": True})


@pytest.fixture
def sets(monkeypatch: pytest.MonkeyPatch) -> Sets:
    def change(**settings: Any) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", str(value))

    return change


async def statuses(ask: Callable[[], Awaitable[httpx.Response]], count: int) -> list[int]:
    return [(await ask()).status_code for _ in range(count)]


def from_address(it: Edge, address: str = "") -> httpx.AsyncClient:
    """By default one that no other test's gateway has heard of: they tell each other."""
    address = address or f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    app = it.client._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app=app, client=(address, 5000))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


# The algorithm.


def let_through(allowance: Allowance, times: list[float]) -> list[float]:
    passed = []
    for now in times:
        try:
            allowance.take("ann", now)
        except TooManyRequests:
            continue
        passed.append(now)
    return passed


@given(
    st.integers(1, 30),
    st.lists(st.floats(0, 300, allow_nan=False), max_size=200).map(sorted),
)
def test_no_stretch_of_time_has_more_than_it_may(most: int, times: list[float]) -> None:
    passed = let_through(Allowance("read", most), times)

    for index, first in enumerate(passed):
        for count, last in enumerate(passed[index:], 1):
            assert count <= most + most * (last - first) / MINUTE + 1e-6


@given(st.integers(1, 600), st.floats(0, 1e6))
def test_who_keeps_to_the_pace_is_never_refused(most: int, begun: float) -> None:
    times = [begun + number * (MINUTE / most) * 1.000001 for number in range(3 * most)]

    assert len(let_through(Allowance("read", most), times)) == len(times)


@given(st.integers(1, 600), st.floats(0, 1e7))
def test_a_refusal_says_when_to_come_back_and_then_it_is_true(most: int, now: float) -> None:
    allowance = Allowance("read", most)

    assert len(let_through(allowance, [now] * (most + 5))) == most
    with pytest.raises(TooManyRequests) as refused:
        allowance.take("ann", now)
    assert let_through(allowance, [now + int(refused.value.headers["Retry-After"])])


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 1.0)), min_size=1, max_size=400))
def test_gateways_that_tell_each_other_let_through_little_more_than_one(
    calls: list[tuple[int, float]],
) -> None:
    most = 40
    gateways = [Allowance("read", most) for _ in range(4)]
    now, passed = 0.0, 0

    for turn, (gateway, pause) in enumerate(calls):
        now += pause / 10
        try:
            gateways[gateway].take("ann", now)
            passed += 1
        except TooManyRequests:
            pass
        if turn % 4 == 3:
            news = [each.untold(now) for each in gateways]
            for teller, spent in enumerate(news):
                for hearer in range(4):
                    if hearer != teller:
                        for who, calls_ in spent:
                            gateways[hearer].told(who, calls_, now)

    # What was let through since the last telling, and the part that nobody tells of.
    assert passed <= most + most * now / MINUTE + 4 + 4


def test_an_address_is_a_household() -> None:
    def of(host: str) -> str:
        return address_of({"client": (host, 1)})

    assert of("2001:db8:1:2:3::4") == of("2001:db8:1:2::ffff") != of("2001:db8:1:3::1")
    assert of("::ffff:192.0.2.7") == of("192.0.2.7") != of("192.0.2.8")
    assert address_of({"client": None}) == address_of({}) == ""
    assert of("a socket") == "a socket"


# The gateway.


async def test_each_kind_of_call_has_a_limit_of_its_own_for_each_person(
    edge: Made, sets: Sets
) -> None:
    sets(reads_per_minute=5, writes_per_minute=4, uploads_per_minute=3, searches_per_minute=2)
    calls = {
        ("GET", "/api/tweets"): 5,
        ("POST", "/api/tweets"): 4,
        ("POST", "/api/medias"): 3,
        ("GET", "/api/users?query=a"): 2,
    }
    async with edge(users=users) as it:
        for (method, path), most in calls.items():
            answers = [await it.client.request(method, path, headers=GOOD) for _ in range(most + 1)]
            left = [answer.headers["ratelimit"].split(";")[1] for answer in answers]

            assert left == [f"r={number}" for number in [*range(most)[::-1], 0]]
            assert {answer.headers["ratelimit-policy"].split(";", 1)[1] for answer in answers} == {
                f"q={most};w=60"
            }
            assert error(answers[-1]) == (429, "TooManyRequests")
            assert 0 < int(answers[-1].headers["retry-after"]) <= 60
            other = await it.client.request(method, path, headers={"api-key": "another"})
            assert other.status_code == 200


async def test_pictures_and_signing_in_are_counted_by_address(edge: Made, sets: Sets) -> None:
    sets(downloads_per_minute=3, sign_ins_per_minute=2)
    async with edge(users=users) as it, from_address(it, "192.0.2.9") as elsewhere:
        credentials = {"api_key": GOOD["api-key"]}
        pictures = [await it.client.get("/uploads/x.png") for _ in range(4)]
        sign_ins = [await it.client.post("/api/session", json=credentials) for _ in range(3)]

        assert [answer.status_code for answer in pictures] == [200, 200, 200, 429]
        assert [answer.status_code for answer in sign_ins] == [200, 200, 429]
        assert error(sign_ins[-1]) == (429, "TooManyRequests")
        assert sign_ins[0].headers["ratelimit"].startswith('"sign-in";r=1;')
        assert int(sign_ins[-1].headers["retry-after"]) > 0
        assert (await elsewhere.get("/uploads/x.png")).status_code == 200
        assert (await elsewhere.post("/api/session", json=credentials)).status_code == 200


async def test_switched_off_they_are_gone_and_guessing_is_limited_still(
    edge: Made, sets: Sets
) -> None:
    sets(rate_limits="off", reads_per_minute=1, sign_ins_per_minute=1, guesses_per_minute=2)
    async with edge(users=users) as it, from_address(it) as here:

        async def read() -> httpx.Response:
            return await it.client.get("/api/tweets", headers=GOOD)

        assert await statuses(read, 5) == [200] * 5
        assert "ratelimit" not in (await read()).headers
        wrong = [
            await here.get("/api/tweets", headers={"api-key": f"{number} is wrong"})
            for number in range(3)
        ]
        assert [answer.status_code for answer in wrong] == [401, 401, 429]


async def test_who_guesses_is_refused_and_who_was_known_is_not(edge: Made, sets: Sets) -> None:
    sets(guesses_per_minute=3)
    async with (
        edge(users=users) as it,
        from_address(it) as here,
        from_address(it) as elsewhere,
    ):
        assert (await here.get("/api/tweets", headers=GOOD)).status_code == 200
        guesses = [{"api-key": f"{number}{NOBODYS}"} for number in range(5)]
        by_header = [await here.get("/api/tweets", headers=guess) for guess in guesses[:4]]
        by_session = await here.post("/api/session", json={"api_key": "9" + NOBODYS})
        asked = len(it.users.asked)

        assert [answer.status_code for answer in by_header] == [401, 401, 401, 429]
        assert error(by_session) == (429, "TooManyRequests")
        it.client._transport.app._proxy._keys.drop(7)  # type: ignore[attr-defined]
        assert (await here.get("/api/tweets", headers=GOOD)).status_code == 200
        assert (await elsewhere.get("/api/tweets", headers=guesses[4])).status_code == 401
        unknown_here = await here.get("/api/tweets", headers={"api-key": "another"})
        assert unknown_here.status_code == 429
        assert len(it.users.asked) == asked + 2


async def test_a_key_is_not_guessed_from_many_addresses(edge: Made, sets: Sets) -> None:
    sets(guesses_per_minute=3)
    async with edge(users=users) as it:
        answers = []
        for number in range(5):
            async with from_address(it) as client:
                guess = {"api-key": f"{NOBODYS}{number}"}
                answers.append(await client.get("/api/tweets", headers=guess))

        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]


async def test_a_slip_a_key_that_ended_and_the_same_key_again_are_no_guesses(
    edge: Made, sets: Sets
) -> None:
    sets(guesses_per_minute=2)
    async with edge(users=users) as it, from_address(it) as here:
        for key in ("ended", api_keys.generate()[:-1] + "!", NOBODYS):

            async def read(key: str = key) -> httpx.Response:
                return await here.get("/api/tweets", headers={"api-key": key})

            assert await statuses(read, 5) == [401] * 5


async def test_what_one_gateway_let_through_counts_at_the_other(edge: Made, sets: Sets) -> None:
    sets(reads_per_minute=20, guesses_per_minute=4)
    address = f"2001:db8:0:{secrets.token_hex(2)}::1"
    async with (
        edge(users=users) as one,
        edge(users=users) as other,
        from_address(one, address) as at_one,
        from_address(other, address) as at_other,
    ):
        await asyncio.gather(*(at_one.get("/api/tweets", headers=GOOD) for _ in range(20)))
        for number in range(4):
            await at_one.get("/api/tweets", headers={"api-key": f"{number}{NOBODYS}"})

        for headers in (GOOD, {"api-key": "5" + NOBODYS}):

            async def refuses(headers: dict[str, str] = headers) -> bool:
                return (await at_other.get("/api/tweets", headers=headers)).status_code == 429

            await eventually(refuses)
