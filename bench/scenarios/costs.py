"""CPU time per request, for each kind of call."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import cycle
from typing import Any
from urllib.parse import quote

from bench import data
from bench.fixture import FEED, UNKNOWN_EVENT, Fixture
from bench.load import Request, always
from bench.measure import CONNECTIONS, add_paced_hello, figure
from bench.report.targets import COSTS

TEXT = "слово and word " * 17
"""255 characters."""


async def _read(fixture: Fixture, scenario: str, request: Request, count: int) -> dict[str, Any]:
    return await figure(fixture, COSTS[scenario], always(request), count)


async def _write(fixture: Fixture, scenario: str, requests: Iterable[Request]) -> dict[str, Any]:
    """Sends the requests again and again."""
    choose = partial(next, cycle(requests))
    count = fixture.sizes.writes
    found = await figure(fixture, COSTS[scenario], choose, count, everything=True)
    await add_paced_hello(fixture, found)
    return found


async def fresh(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    page = await fixture.reader.ask("GET", FEED)
    found = await _read(fixture, "fresh", fixture.get(FEED), fixture.sizes.reads)
    return {"page_bytes": len(page.content), **found}


async def unchanged(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    page = await fixture.reader.ask("GET", FEED)
    request = fixture.get(FEED, {"if-none-match": page.headers["etag"]}, status=304)
    return await _read(fixture, "unchanged", request, fixture.sizes.reads)


async def rebuilt(fixture: Fixture) -> dict[str, Any]:
    # More readers than connections, so that no reader has two requests at the same time.
    changes = await fixture.ordinary(readers=CONNECTIONS * 3 // 2)
    count = fixture.sizes.rebuilds
    found = await figure(fixture, COSTS["rebuilt"], changes.next_request, count, before=changes)
    await add_paced_hello(fixture, found)
    return found


async def database(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(FEED, UNKNOWN_EVENT)
    return await _read(fixture, "database", request, fixture.sizes.rebuilds)


async def person(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(f"/api/users/{data.FIRST + 1}/tweets?limit=20")
    return await _read(fixture, "person", request, fixture.sizes.reads)


async def own_profile(fixture: Fixture) -> dict[str, Any]:
    request = fixture.get("/api/users/me")
    return await _read(fixture, "own-profile", request, fixture.sizes.rebuilds)


async def profile(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users/{person.id}")
    return await _read(fixture, "profile", request, fixture.sizes.rebuilds)


async def profile_database(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users/{person.id}", UNKNOWN_EVENT)
    return await _read(fixture, "profile-database", request, fixture.sizes.rebuilds)


async def people_search(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users?query={quote(person.name)}&limit=20")
    return await _read(fixture, "people-search", request, fixture.sizes.rebuilds)


async def conversations(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(f"{FEED}&replies=conversations")
    return await _read(fixture, "conversations", request, fixture.sizes.reads)


async def follow(fixture: Fixture) -> dict[str, Any]:
    people = [await fixture.person() for _ in range(4 * CONNECTIONS)]
    paths = [f"/api/users/{person.id}/follow" for person in people]
    return await _write(fixture, "follow", _on_and_off(fixture, paths))


async def like(fixture: Fixture) -> dict[str, Any]:
    tweets = [await fixture.reader.post() for _ in range(4 * CONNECTIONS)]
    paths = [f"/api/tweets/{tweet}/likes" for tweet in tweets]
    return await _write(fixture, "like", _on_and_off(fixture, paths))


def _on_and_off(fixture: Fixture, paths: list[str]) -> list[Request]:
    """All are added, then all are removed.

    There must be enough paths that each addition has its response before the removal: a call that
    changes nothing would cost less.
    """
    key = fixture.reader.key
    return [fixture.write(method, path, key) for method in ("POST", "DELETE") for path in paths]


async def post(fixture: Fixture) -> dict[str, Any]:
    return await _write(fixture, "post", [_post(fixture, tweet_data=TEXT)])


async def reply(fixture: Fixture) -> dict[str, Any]:
    # Many parents: replies to the same tweet wait for each other.
    parents = [await fixture.reader.post() for _ in range(4 * CONNECTIONS)]
    mentioned = await fixture.person()
    await fixture.settled()
    text = f"@{mentioned.name} #bench " + TEXT[:200]
    requests = [_post(fixture, tweet_data=text, reply_to=parent) for parent in parents]
    return await _write(fixture, "reply", requests)


def _post(fixture: Fixture, **draft: Any) -> Request:
    return fixture.write("POST", "/api/tweets", fixture.reader.key, draft, status=201)


SCENARIOS: dict[str, Callable[[Fixture], Awaitable[dict[str, Any]]]] = {
    "fresh": fresh,
    "unchanged": unchanged,
    "rebuilt": rebuilt,
    "database": database,
    "person": person,
    "own-profile": own_profile,
    "profile": profile,
    "profile-database": profile_database,
    "people-search": people_search,
    "follow": follow,
    "like": like,
    "post": post,
    "reply": reply,
    "conversations": conversations,
}
