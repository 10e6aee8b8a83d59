"""How long somebody waits, at half of what can be served; the yardstick at half of its own."""

from collections.abc import Sequence
from typing import Any

from bench.load import Ask, Choose, always, closed, distribution, opened
from bench.scene import FEED, UNHEARD, Scene
from bench.wire import request

from .costs import TEXT

LOAD = 0.5
_CONNECTIONS = 32


async def measure(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    servers = [server.url for server in scene.hello]
    hello = Ask(request(servers[0], "/"))
    fresh, database = scene.get(FEED), scene.get(FEED, UNHEARD)
    post = scene.write("POST", "/api/tweets", scene.reader.key, {"tweet_data": TEXT}, status=201)
    return {
        "hello": await _waits(scene, "hello", servers, always(hello), scene.sizes.reads * 2),
        "feed, page fresh": await _waits(
            scene, "feed, page fresh", scene.urls, always(fresh), scene.sizes.reads * 2
        ),
        "feed, read by the database": await _waits(
            scene, "feed, read by the database", scene.urls, always(database), scene.sizes.reads
        ),
        "post": await _waits(scene, "post", scene.urls, always(post), scene.sizes.writes),
    }


async def _waits(
    scene: Scene, name: str, urls: Sequence[str], choose: Choose, count: int
) -> dict[str, Any]:
    saturation = (await closed(urls, choose, count, _CONNECTIONS)).rate
    await scene.settled()
    measured = await opened(urls, choose, saturation * LOAD, scene.sizes.open_seconds)
    await scene.settled()
    found = {
        "saturation": saturation,
        "rate": saturation * LOAD,
        "failed": measured.failed,
        "generator": measured.generator,
        **distribution(measured.all()),
    }
    scene.say(f"{name} at {saturation * LOAD:,.0f}/s: p50 {found['p50']:.1f} ms")
    return found
