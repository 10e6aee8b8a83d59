"""A cluster of three RabbitMQ nodes loses each node in turn and must keep working."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devstack import port_numbers, rabbitmq, repository
from devstack.instance import Instance
from tests.chaos.harness import READY_SECONDS, Bed, fault
from tests.chaos.history import Outcome, Tweet
from tests.chaos.load import Load
from tests.chaos.plans import replaced

from .broker import Plan, control, plan_of

_PORTS = 70
"""First port of the joining nodes, as an offset from the instance's first port."""
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
    """Turns the broker into a cluster; it cannot be turned back within a run."""
    first = plan_of(bed.parts)
    joined = [_Node(bed.parts, number) for number in (2, 3)]
    for node in joined:
        bed.aside.callback(node.stop)
        await asyncio.to_thread(node.start)
        # The existing quorum queues have their only replica on the first node.
        await control(first, "grow", node.name, "all", tool="rabbitmq-queues")
    plans = [first, *(node.plan for node in joined)]
    await _whole(plans)
    own = f":{bed.parts.port_of(port_numbers.AMQP)}"
    hosts = ",".join(f"127.0.0.1:{plan.environment['RABBITMQ_NODE_PORT']}" for plan in plans)
    url = bed.parts.broker_url.replace(f"127.0.0.1{own}", hosts)
    parts = (*repository.SERVICES, "gateway")
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
    """Returns when each queue has a replica in sync on all nodes, so any node may be lost."""
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
    """Checks that a new tweet of one person appears in what another person reads."""
    author, reader = load.history.people[:2]
    tweet = Tweet(author, f"{author.name} said this without node {number}", [], Outcome.unknown)
    load.history.tweets[tweet.content] = tweet
    response = await load.api.write(
        author, "POST", "/api/tweets", json={"tweet_data": tweet.content, "tweet_media_ids": None}
    )
    tweet.posted = response.outcome
    tweet.id = response.body.get("tweet_id")
    path = "/api/tweets?scope=everyone&order=recent&limit=100"
    try:
        async with asyncio.timeout(_ARRIVES_SECONDS):
            while tweet.id not in {
                shown["id"] for shown in (await load.api.read(reader, path)).body["tweets"]
            }:
                await asyncio.sleep(0.2)
    except TimeoutError:
        load.history.wrong.append(f"{tweet.content!r} did not arrive while a node was away")


class _Node:
    """A node that joins the instance's embedded broker."""

    def __init__(self, parts: Instance, number: int) -> None:
        first = plan_of(parts)
        self._log = parts.root / "logs" / f"rabbitmq-{number}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.name = f"warble{number}@localhost"
        folder = first.directory / f"node-{number}"
        folder.mkdir(mode=0o700, exist_ok=True)
        base = parts.port_of(_PORTS + 3 * number)
        self._port = base
        configuration = (first.directory / "rabbitmq.conf").read_text()
        for place, port in ((port_numbers.AMQP, base), (port_numbers.PROMETHEUS, base + 1)):
            configuration = configuration.replace(str(parts.port_of(place)), str(port))
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
        """Starts the node. Returns when it accepts AMQP connections. Raises TimeoutError."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self.plan.command,
                env=self.plan.environment,
                cwd=self.plan.directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not rabbitmq.speaks_amqp(self._port):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} did not start: see {self._log}")
            time.sleep(0.5)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
