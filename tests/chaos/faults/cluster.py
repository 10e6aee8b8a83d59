"""A cluster of three brokers loses each of its nodes in turn, and goes on without it."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local import places, rabbitmq
from deploy.local.instance import Instance
from tests.chaos.bed import READY_SECONDS, Bed, fault
from tests.chaos.history import Outcome, Tweet
from tests.chaos.load import Load
from tests.chaos.plans import replaced

from .broker import Plan, control, plan_of

_PORTS = 70
"""Of the nodes that join, from the instance's first."""
_ARRIVES_SECONDS = 60
_JOINS = """
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {first}
"""


@fault(
    "each of three RabbitMQ nodes killed, and away for 15 s",
    "writes are accepted meanwhile, and arrive while it is away",
)
async def node_lost(bed: Bed, load: Load) -> int:
    """There is no way back to one node."""
    first = plan_of(bed.parts)
    joined = [_Node(bed.parts, number) for number in (2, 3)]
    for node in joined:
        bed.aside.callback(node.stop)
        await asyncio.to_thread(node.start)
        # The queues that there are have their only member on the first node.
        await control(first, "grow", node.name, "all", tool="rabbitmq-queues")
    plans = [first, *(node.plan for node in joined)]
    await _whole(plans)
    own = f":{bed.parts.offset(places.AMQP)}"
    hosts = ",".join(f"127.0.0.1:{plan.environment['RABBITMQ_NODE_PORT']}" for plan in plans)
    url = bed.parts.broker_url.replace(f"127.0.0.1{own}", hosts)
    parts = (*places.SERVICES, "gateway")
    await bed.settle(**{f"{name.upper()}_BROKER_URL": url for name in parts})
    with load.history.unfailing("while a node was away"):
        for number, away in enumerate((_first_away(bed.parts), *map(_away, joined))):
            with away:
                await bed.pause(15)
                await _arrives(load, number)
            await _whole(plans)
    return len(plans)


@contextmanager
def _first_away(parts: Instance) -> Iterator[None]:
    with replaced(parts, "rabbitmq", ["/bin/sleep", "infinity"]):
        yield


@contextmanager
def _away(node: "_Node") -> Iterator[None]:
    node.kill()
    try:
        yield
    finally:
        node.start()


async def _whole(plans: list[Plan]) -> None:
    """Returns when any one of the nodes may go: each queue has a member in step on all of them."""
    async with asyncio.timeout(READY_SECONDS):
        for plan in plans:
            while not await _may_go(plan):
                await asyncio.sleep(1)


async def _may_go(plan: Plan) -> bool:
    try:
        await control(plan, "check_if_node_is_quorum_critical", tool="rabbitmq-queues")
    except RuntimeError:
        return False
    return True


async def _arrives(load: Load, number: int) -> None:
    """Somebody's tweet is read by somebody else."""
    author, reader = load.history.people[:2]
    tweet = Tweet(author, f"{author.name} said this without node {number}", [], Outcome.unknown)
    load.history.tweets[tweet.content] = tweet
    told = await load.door.write(
        author, "POST", "/api/tweets", json={"tweet_data": tweet.content, "tweet_media_ids": None}
    )
    tweet.posted = told.outcome
    tweet.id = told.body.get("tweet_id")
    path = "/api/tweets?scope=everyone&order=recent&limit=100"
    try:
        async with asyncio.timeout(_ARRIVES_SECONDS):
            while tweet.id not in {
                shown["id"] for shown in (await load.door.read(reader, path)).body["tweets"]
            }:
                await asyncio.sleep(0.2)
    except TimeoutError:
        load.history.wrong.append(f"{tweet.content!r} did not arrive while a node was away")


class _Node:
    """One that joins the instance's own broker."""

    def __init__(self, parts: Instance, number: int) -> None:
        first = plan_of(parts)
        self._log = parts.root / "logs" / f"rabbitmq-{number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.name = f"warble{number}@localhost"
        folder = first.directory / f"node-{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        base = parts.offset(_PORTS + 3 * number)
        self._port = base
        configuration = (first.directory / "rabbitmq.conf").read_text()
        for place, port in ((places.AMQP, base), (places.PROMETHEUS, base + 1)):
            configuration = configuration.replace(str(parts.offset(place)), str(port))
        (folder / "rabbitmq.conf").write_text(configuration + _JOINS.format(first=rabbitmq.NODE))
        self.plan = Plan(
            first.command,
            {
                **first.environment,
                "RABBITMQ_NODENAME": self.name,
                "RABBITMQ_NODE_PORT": str(base),
                "RABBITMQ_DIST_PORT": str(base + 2),
                "RABBITMQ_MNESIA_BASE": str(folder / "data"),
                "RABBITMQ_LOG_BASE": str(folder / "log"),
                "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            },
            first.directory,
        )

    def start(self) -> None:
        """Returns when it takes connections."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.plan.command,
                env=self.plan.environment,
                cwd=self.plan.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not rabbitmq.greets(self._port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not come up: see {self._log}")
            time.sleep(0.5)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
