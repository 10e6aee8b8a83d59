"""Profiles and searches from the cache are what a fresh read gives, also after own writes."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis import testing
from chassis.database import listen_notify
from chassis.database.session import Database
from chassis.http.etags import TaggedJson
from services.users import api_process, events
from services.users.handlers import subscriptions
from services.users.profile_cache import ProfileCache, ProfileKey, SearchKey
from services.users.profiles import Profiles
from tests.waiting import eventually

from .conftest import People
from .test_api import signed

PROFILE = TaggedJson.of(b'{"result":true}')
ANN, BORIS, READER = 7, 8, 9
SEARCH = "/api/users?query=person"


class Replica:
    """One of several api processes of users. Remembers which answers came from the cache."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient) -> None:
        self.client = client
        self.profiles: Profiles = app.state.profiles
        self.database: Database = app.state.database
        self.hits = 0
        cached = self.profiles.cached

        def count(key: ProfileKey) -> TaggedJson | None:
            profile: TaggedJson | None = cached(key)
            self.hits += profile is not None
            return profile

        self.profiles.cached = count

    async def read(self, path: str, headers: Mapping[str, str]) -> tuple[int, Any]:
        response = await self.client.get(path, headers=headers)
        return response.status_code, response.json()


@pytest.fixture
async def replicas(as_service: Callable[[str], None]) -> AsyncIterator[list[Replica]]:
    as_service("users")
    apps = [api_process.create_app() for _ in range(2)]
    async with testing.client_for(apps[0]) as one, testing.client_for(apps[1]) as other:
        yield [Replica(app, client) for app, client in zip(apps, (one, other), strict=True)]


def after(response: httpx.Response) -> dict[str, str]:
    """What the gateway sends with the reads of the person who got this response."""
    assert response.status_code == 200, response.text
    events = response.headers.get("warble-events")
    return {"warble-after": events} if events else {}


def _changes(
    pick: random.Random, replica: Replica, people: list[int], version: int
) -> list[Callable[[], Awaitable[httpx.Response | None]]]:
    """A few possible changes, each by an administrator or the person."""
    one, other = pick.sample(people, 2)
    http, administrator = replica.client, testing.identity_headers("users", 1, administrator=True)
    picture = events.PicturePaths(small=f"/{version}", medium="/m", large="/l")
    pictured = events.PersonPictured(actor_id=one, user_id=one, picture=picture)

    async def show_picture() -> None:
        await testing.deliver(
            replica.database, subscriptions, pictured.routing_key, pictured, version, "media"
        )

    return [
        lambda: http.post(f"/api/users/{other}/follow", headers=signed(one)),
        lambda: http.delete(f"/api/users/{other}/follow", headers=signed(one)),
        lambda: http.patch(
            f"/api/users/{one}", headers=administrator, json={"name": f"Name {version}"}
        ),
        lambda: http.patch(
            f"/api/users/{one}", headers=administrator, json={"title": f"Title {version}"}
        ),
        lambda: http.post("/api/users", headers=administrator, json={"name": f"Person {version}"}),
        lambda: http.delete(f"/api/users/{one}", headers=administrator),
        lambda: http.post(f"/api/users/{one}/reactivation", headers=administrator),
        show_picture,
    ]


@pytest.mark.parametrize("seed", range(2))
async def test_every_replica_answers_what_a_fresh_read_gives(
    replicas: list[Replica], seed: int
) -> None:
    pick = random.Random(seed)
    staff = People(replicas[0].client)
    people = [await staff.register(f"Person {number}") for number in range(4)]
    paths = [*(f"/api/users/{user_id}" for user_id in people), "/api/users/me", SEARCH]

    for step in range(15):
        writer = pick.choice(replicas)
        for number in range(pick.randint(1, 3)):
            version = 1000 * seed + 10 * step + number + 1
            change = pick.choice(_changes(pick, writer, people, version))
            await change()
        reader = pick.choice(people)
        for path in paths:
            # With this header a replica answers from the database.
            uncached = await writer.read(path, {**signed(reader), "warble-after": "users:1"})
            for replica in replicas:

                async def equal(path: str = path, replica: Replica = replica) -> bool:
                    return await replica.read(path, signed(reader)) == uncached  # noqa: B023

                await eventually(equal)
                assert await equal()

    assert all(replica.hits for replica in replicas)


async def test_own_writes_are_seen_although_no_notification_arrives(
    as_service: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def deaf(_database: Database, _handlers: object, connect: Callable[[bool], None]) -> None:
        connect(True)

    as_service("users")
    monkeypatch.setattr(listen_notify, "listen", deaf)
    app = api_process.create_app()
    async with testing.client_for(app) as client:
        staff, replica = People(client), Replica(app, client)
        ann, boris = await staff.register("Ann"), await staff.register("Boris")
        path, by_ann, by_administrator = f"/api/users/{boris}", signed(ann), staff.administrator
        changes: list[tuple[str, str, dict[str, str], dict[str, str] | None]] = [
            ("POST", f"{path}/follow", by_ann, None),
            ("DELETE", f"{path}/follow", by_ann, None),
            ("PATCH", path, by_administrator, {"name": "Boris Gray"}),
            ("PATCH", path, by_administrator, {"about": "Bridges"}),
            ("DELETE", path, by_administrator, None),
            ("POST", f"{path}/reactivation", by_administrator, None),
        ]

        for method, url, headers, body in changes:
            for read in (path, "/api/users?query=boris"):
                await replica.read(read, headers)
            written = await client.request(method, url, headers=headers, json=body)
            for read in (path, "/api/users?query=boris"):
                seen = await replica.read(read, {**headers, **after(written)})

                assert seen == await replica.read(read, {**headers, "warble-after": "users:1"}), url
        assert (await replica.read(path, {**by_ann, "warble-after": "tweets:1"}))[0] == 200
        assert replica.hits


async def test_an_unchanged_profile_is_304_from_the_cache_and_from_the_database(
    users: httpx.AsyncClient, people: People
) -> None:
    ann = await people.register("Ann")
    for path in (f"/api/users/{ann}", "/api/users/me"):
        first = await users.get(path, headers=signed(ann))
        for headers in ({"warble-after": "tweets:1"}, {"warble-after": "users:1"}):
            conditional = {**signed(ann), **headers, "if-none-match": first.headers["etag"]}
            unchanged = await users.get(path, headers=conditional)
            other = await users.get(path, headers={**conditional, "if-none-match": '"x"'})

            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert (other.status_code, other.content) == (200, first.content)
            for response in (first, unchanged, other):
                assert response.headers["cache-control"] == "private, no-cache"
                assert response.headers["etag"] == first.headers["etag"]


async def test_rights_are_those_of_the_credential_also_from_the_cache(
    users: httpx.AsyncClient, people: People
) -> None:
    async def administrator(headers: dict[str, str]) -> bool:
        cached = {**headers, "warble-after": ""}
        return bool((await users.get("/api/users/me", headers=cached)).json()["administrator"])

    ann = await people.register("Ann")
    as_administrator = testing.identity_headers("users", ann, administrator=True)

    found = [await administrator(headers) for headers in (signed(ann), as_administrator) * 2]

    assert found == [False, True, False, True]


def cache() -> ProfileCache:
    found = ProfileCache(100_000)
    found.set_connected(True)
    return found


@pytest.mark.parametrize(
    ("payload", "stored"), [(str(ANN), False), ("", False), (str(BORIS), True)]
)
def test_a_profile_that_changes_while_it_is_read_is_not_stored(payload: str, stored: bool) -> None:
    profiles, key = cache(), ProfileKey(ANN, READER)

    version = profiles.version
    profiles.on_notification(payload)
    profiles.put(key, PROFILE, version)

    assert (profiles.get(key) is not None) is stored


@pytest.mark.parametrize("payload", [str(ANN), ""])
def test_every_change_drops_searches(payload: str) -> None:
    searches, key = cache(), SearchKey("ann", 20, READER)

    searches.put(key, PROFILE, searches.version)
    stored = searches.get(key)
    version = searches.version
    searches.on_notification(payload)
    kept = searches.get(key)
    searches.put(key, PROFILE, version)

    assert (stored, kept, searches.get(key)) == (PROFILE, None, None)


def test_nothing_is_cached_while_notifications_are_not_received() -> None:
    profiles, key = cache(), ProfileKey(ANN, READER)
    profiles.put(key, PROFILE, profiles.version)
    version = profiles.version

    profiles.set_connected(False)
    cached = profiles.get(key)
    profiles.put(key, PROFILE, profiles.version)
    stored_meanwhile = profiles.get(key)
    profiles.set_connected(True)
    profiles.put(key, PROFILE, version)

    assert (cached, stored_meanwhile, profiles.get(key)) == (None, None, None)


def test_the_profiles_that_were_read_last_stay_within_the_limit() -> None:
    profiles = cache()
    keys = [ProfileKey(user_id, READER) for user_id in range(1, 1_000)]
    for key in keys:
        profiles.put(key, PROFILE, profiles.version)
        profiles.get(keys[0])

    cached = [key for key in keys if profiles.get(key)]
    assert keys[0] in cached
    assert keys[-1] in cached
    assert 50 < len(cached) < 101
