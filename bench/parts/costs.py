"""CPU time a request, call by call."""

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle
from typing import Any

from bench import data
from bench.load import always
from bench.measure import CONNECTIONS, figure
from bench.scene import FEED, UNHEARD, Scene

TEXT = "слово and word " * 17
"""255 characters, with a mention's worth of room."""


async def fresh(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    page = await scene.http.get(FEED, headers={"api-key": scene.reader.key})
    ask = scene.get(FEED)
    found = await figure(scene, "feed, page fresh", always(ask), scene.sizes.reads)
    return {"page_bytes": len(page.content), **found}


async def unchanged(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    page = await scene.http.get(FEED, headers={"api-key": scene.reader.key})
    ask = scene.get(FEED, {"if-none-match": page.headers["etag"]}, status=304)
    return await figure(scene, "feed, unchanged (304)", always(ask), scene.sizes.reads)


async def rebuilt(scene: Scene) -> dict[str, Any]:
    # More of them than ask at a time: none asks again before their answer is there.
    changes = await scene.ordinary(readers=CONNECTIONS * 3 // 2)
    return await figure(
        scene, "feed, page rebuilt", changes.ask, scene.sizes.rebuilds, before=changes
    )


async def database(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    ask = scene.get(FEED, UNHEARD)
    return await figure(scene, "feed, read by the database", always(ask), scene.sizes.rebuilds)


async def person(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    ask = scene.get(f"/api/users/{data.FIRST + 1}/tweets?limit=20")
    return await figure(scene, "a person's tweets", always(ask), scene.sizes.reads)


async def profile(scene: Scene) -> dict[str, Any]:
    ask = scene.get("/api/users/me")
    return await figure(scene, "one's own profile", always(ask), scene.sizes.rebuilds)


async def like(scene: Scene) -> dict[str, Any]:
    # Each has long had its answer when it is taken back: one that changes nothing costs less.
    tweets = [await scene.post(scene.reader) for _ in range(4 * CONNECTIONS)]
    turns = cycle(
        scene.write(method, f"/api/tweets/{tweet}/likes", scene.reader.key)
        for method in ("POST", "DELETE")
        for tweet in tweets
    )
    return await figure(
        scene, "like and unlike", partial(next, turns), scene.sizes.writes, everything=True
    )


async def post(scene: Scene) -> dict[str, Any]:
    ask = scene.write("POST", "/api/tweets", scene.reader.key, {"tweet_data": TEXT}, status=201)
    return await figure(scene, "post", always(ask), scene.sizes.writes, everything=True)


PARTS: dict[str, Callable[[Scene], Awaitable[dict[str, Any]]]] = {
    "fresh": fresh,
    "unchanged": unchanged,
    "rebuilt": rebuilt,
    "database": database,
    "person": person,
    "own-profile": profile,
    "like": like,
    "post": post,
}
