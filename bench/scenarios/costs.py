"""CPU time per request, for each kind of call."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle
from typing import Any
from urllib.parse import quote

from bench import data
from bench.fixture import FEED, UNKNOWN_EVENT, Fixture
from bench.load import always
from bench.measure import CONNECTIONS, figure

TEXT = "слово and word " * 17
"""255 characters."""


async def fresh(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    page = await fixture.api.http.get(FEED, headers={"api-key": fixture.reader.key})
    request = fixture.get(FEED)
    found = await figure(fixture, "feed, page fresh", always(request), fixture.sizes.reads)
    return {"page_bytes": len(page.content), **found}


async def unchanged(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    page = await fixture.api.http.get(FEED, headers={"api-key": fixture.reader.key})
    request = fixture.get(FEED, {"if-none-match": page.headers["etag"]}, status=304)
    return await figure(fixture, "feed, unchanged (304)", always(request), fixture.sizes.reads)


async def rebuilt(fixture: Fixture) -> dict[str, Any]:
    # More readers than connections, so that no reader has two requests at the same time.
    changes = await fixture.ordinary(readers=CONNECTIONS * 3 // 2)
    return await figure(
        fixture, "feed, page rebuilt", changes.next_request, fixture.sizes.rebuilds, before=changes
    )


async def database(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(FEED, UNKNOWN_EVENT)
    return await figure(
        fixture, "feed, read by the database", always(request), fixture.sizes.rebuilds
    )


async def person(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(f"/api/users/{data.FIRST + 1}/tweets?limit=20")
    return await figure(fixture, "a person's tweets", always(request), fixture.sizes.reads)


async def profile(fixture: Fixture) -> dict[str, Any]:
    request = fixture.get("/api/users/me")
    return await figure(fixture, "one's own profile", always(request), fixture.sizes.rebuilds)


async def other_profile(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users/{person.id}")
    return await figure(fixture, "a person's profile", always(request), fixture.sizes.rebuilds)


async def profile_database(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users/{person.id}", UNKNOWN_EVENT)
    return await figure(
        fixture, "a person's profile, read by the database", always(request), fixture.sizes.rebuilds
    )


async def people_search(fixture: Fixture) -> dict[str, Any]:
    person = await fixture.person()
    request = fixture.get(f"/api/users?query={quote(person.name)}&limit=20")
    return await figure(fixture, "people found by name", always(request), fixture.sizes.rebuilds)


async def follow(fixture: Fixture) -> dict[str, Any]:
    people = [await fixture.person() for _ in range(4 * CONNECTIONS)]
    requests = cycle(
        fixture.write(method, f"/api/users/{person.id}/follow", fixture.reader.key)
        for method in ("POST", "DELETE")
        for person in people
    )
    return await figure(
        fixture,
        "follow and unfollow",
        partial(next, requests),
        fixture.sizes.writes,
        everything=True,
    )


async def like(fixture: Fixture) -> dict[str, Any]:
    # Enough tweets that each like has its response before it is removed: a call that changes
    # nothing would cost less.
    tweets = [await fixture.reader.post() for _ in range(4 * CONNECTIONS)]
    requests = cycle(
        fixture.write(method, f"/api/tweets/{tweet}/likes", fixture.reader.key)
        for method in ("POST", "DELETE")
        for tweet in tweets
    )
    return await figure(
        fixture, "like and unlike", partial(next, requests), fixture.sizes.writes, everything=True
    )


async def post(fixture: Fixture) -> dict[str, Any]:
    request = fixture.write(
        "POST", "/api/tweets", fixture.reader.key, {"tweet_data": TEXT}, status=201
    )
    return await figure(fixture, "post", always(request), fixture.sizes.writes, everything=True)


async def conversations(fixture: Fixture) -> dict[str, Any]:
    await fixture.ordinary()
    request = fixture.get(f"{FEED}&replies=conversations")
    return await figure(
        fixture, "feed with conversations, fresh", always(request), fixture.sizes.reads
    )


async def reply(fixture: Fixture) -> dict[str, Any]:
    # Many parents: replies to the same tweet wait for each other.
    parents = [await fixture.reader.post() for _ in range(4 * CONNECTIONS)]
    mentioned = await fixture.person()
    await fixture.settled()
    text = f"@{mentioned.name} #bench " + TEXT[:200]
    requests = cycle(
        fixture.write(
            "POST",
            "/api/tweets",
            fixture.reader.key,
            {"tweet_data": text, "reply_to": parent},
            status=201,
        )
        for parent in parents
    )
    return await figure(
        fixture,
        "reply with mention",
        partial(next, requests),
        fixture.sizes.writes,
        everything=True,
    )


SCENARIOS: dict[str, Callable[[Fixture], Awaitable[dict[str, Any]]]] = {
    "fresh": fresh,
    "unchanged": unchanged,
    "rebuilt": rebuilt,
    "database": database,
    "person": person,
    "own-profile": profile,
    "profile": other_profile,
    "profile-database": profile_database,
    "people-search": people_search,
    "follow": follow,
    "like": like,
    "post": post,
    "reply": reply,
    "conversations": conversations,
}
