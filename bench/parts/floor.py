"""What the cheapest possible chain of two processes costs, in the same run."""

from contextlib import ExitStack
from typing import Any

from bench import floor, stack
from bench.load import Ask, always
from bench.measure import figure
from bench.scene import FEED, Scene
from bench.servers import serving
from bench.wire import request


async def measure(scene: Scene) -> dict[str, Any]:
    await scene.ordinary()
    page = (await scene.http.get(FEED, headers={"api-key": scene.reader.key})).content
    await scene.owner.execute(
        f"create table if not exists {floor.TABLE} (id int primary key, body bytea not null)"
    )
    await scene.owner.execute(
        f"insert into {floor.TABLE} values (1, $1) on conflict (id) do update set body = $1", page
    )
    address = scene.system.database()
    settings = {
        floor.BYTES: str(len(page)),
        floor.BACK: f"http://127.0.0.1:{scene.system.offset(stack.BACK)}",
        floor.DATABASE: "postgresql://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}".format(
            **address
        ),
    }
    found = {}
    with ExitStack() as servers:
        back = servers.enter_context(
            serving("bench.floor:back", scene.system.offset(stack.BACK), **settings)
        )
        front = servers.enter_context(
            serving("bench.floor:front", scene.system.offset(stack.FRONT), **settings)
        )
        groups = {
            "front": front.pid,
            "back": back.pid,
            "postgres": stack.pids(scene.system)["postgres"],
        }
        for name, server, path in (
            ("a plain endpoint, page from memory", back, "/memory"),
            ("the same, page from the database", back, "/database"),
            ("two processes, page from memory", front, "/memory"),
            ("two processes, page from the database", front, "/database"),
        ):
            ask = Ask(request(server.url, path))
            found[name] = await figure(
                scene, name, always(ask), scene.sizes.reads,
                groups=groups, urls=[server.url], turns=min(3, scene.sizes.turns),
            )  # fmt: skip
    return found
