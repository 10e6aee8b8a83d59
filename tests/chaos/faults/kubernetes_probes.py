"""A part is down while processes are probed as in Kubernetes.

Requests that do not need the part must succeed, and probes must not take healthy processes out of
the rotation. A proxy stands before each process that serves requests; a failed readiness probe
closes it, as Kubernetes would remove the pod from the endpoints.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from devstack import repository
from devstack.instance import Instance
from gateway.main import CONTRACT
from gateway.routes import Routes
from tests.chaos.harness import READY_SECONDS, Bed, fault
from tests.chaos.kubelet import Kubelet
from tests.chaos.load import Load
from tests.chaos.load_client import UPLOADS
from tests.chaos.tcp_proxy import TcpProxy

from .store import objects_as_recorded

AWAY_SECONDS = 60
_PROBED = f"probes as in Kubernetes, and {{part}} away for {AWAY_SECONDS} s"


class _Fronted(Instance):
    """The same instance, whose gateway is reached through a proxy."""

    front = 0

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.front}"


@asynccontextmanager
async def probed(bed: Bed) -> AsyncIterator[Instance]:
    """Puts proxies before the processes that serve requests, and probes all processes."""
    async with AsyncExitStack() as stack:
        proxies: dict[str, TcpProxy] = {}
        for program, port in _ports(bed.stack).items():
            proxies[program] = await stack.enter_async_context(TcpProxy(0, port))

        def urls(processes: str) -> str:
            return ",".join(
                f"http://127.0.0.1:{proxy.port}"
                for program, proxy in proxies.items()
                if program.startswith(f"{processes}-")
            )

        settings = {
            f"GATEWAY_{service.upper()}_URLS": urls(f"{service}-api")
            for service in repository.SERVICES
        }
        settings["GATEWAY_STREAM_URLS"] = urls("notifications-stream")
        settings["TWEETS_MEDIA_URLS"] = urls("media-api")
        await bed.settle(**settings)
        stack.push_async_callback(bed.settle, **dict.fromkeys(settings, ""))
        bed.kubelet = Kubelet(bed.stack, proxies)
        await stack.enter_async_context(bed.kubelet.watching(bed.programs()))
        fronted = _Fronted(bed.stack.root, bed.stack.port, bed.stack.settings)
        fronted.front = proxies["gateway"].port
        yield fronted


def _ports(stack: Instance) -> dict[str, int]:
    ports = {"gateway": stack.port}
    for service in repository.SERVICES:
        for number, url in enumerate(stack.api_urls(service), 1):
            ports[f"{service}-api-{number}"] = urlsplit(url).port or 0
    for number, url in enumerate(stack.stream_urls(), 1):
        ports[f"notifications-stream-{number}"] = urlsplit(url).port or 0
    return ports


@fault(
    _PROBED.format(part="the store"),
    "no process is taken out of the rotation; all but uploads is served",
    check=objects_as_recorded,
    around=probed,
)
async def probed_without_store(bed: Bed, load: Load) -> int:
    def uploads(failure: str) -> bool:
        return failure.startswith(f"POST {UPLOADS}:")

    return await _away(bed, load, bed.parts, ["s3"], uploads)


@fault(
    _PROBED.format(part="RabbitMQ"),
    "no process is taken out of the rotation; no call fails",
    around=probed,
)
async def probed_without_broker(bed: Bed, load: Load) -> int:
    return await _away(bed, load, bed.parts, ["rabbitmq"], lambda _: False)


@fault(
    _PROBED.format(part="all of feed"),
    "no other process is taken out of the rotation; all but reads of feed is served",
    around=probed,
)
async def probed_without_feed(bed: Bed, load: Load) -> int:
    routes = Routes(json.loads(CONTRACT.read_text()))

    def reads_of_feed(failure: str) -> bool:
        method, _, rest = failure.partition(" ")
        path = rest.partition(":")[0].partition("?")[0]
        return routes.match(method, path.encode()).service == "feed"

    feed = [program for program in bed.programs() if program.startswith("feed-")]
    return await _away(bed, load, bed.stack, feed, reads_of_feed)


async def _away(
    bed: Bed,
    load: Load,
    where: Instance,
    programs: Iterable[str],
    may_fail: Callable[[str], bool],
) -> int:
    assert bed.kubelet is not None
    stopped = list(programs)
    with load.history.unfailing(f"while {', '.join(stopped)} was away", may_fail):
        for program in stopped:
            await asyncio.to_thread(where.stop, program)
        await bed.pause(AWAY_SECONDS)
        for program in stopped:
            await asyncio.to_thread(where.start, program, timeout=READY_SECONDS)
        await bed.pause(5)
    for program in bed.kubelet.taken_out:
        if program not in stopped:
            load.history.wrong.append(f"{program} was taken out of the rotation")
    load.history.wrong += [f"{program} was restarted" for program in bed.kubelet.restarted]
    taken_out = ", ".join(sorted(set(bed.kubelet.taken_out))) or "nothing"
    load.history.notes.append(f"{bed.kubelet.probes} probes; taken out: {taken_out}")
    return 1
