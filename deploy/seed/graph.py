"""`python -m deploy.seed.graph FILE`: loads a who-follows-whom edge list through the API."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console

from deploy.local.instance import BadSettings, Instance

from . import edges, plan, unlimited, verify
from .client import Client, NotUp, Refused
from .journal import Busy, Journal
from .plan import Options, Plan
from .progress import Progression
from .shipment import FLIGHTS, Shipment, Stopped

STOPPED = "Stopped. Run it again: it goes on where it stopped."


async def load(
    file: Path, options: Options, console: Console, instance: Instance | None = None
) -> bool:
    """Whether everything is there and reads as it was sent. Raises what `main` catches."""
    graph = edges.read(file, undirected=options.undirected)
    plan_ = plan.make(file, graph, options)
    shown = Progression(console)
    async with Client(instance, flights=FLIGHTS) as client:
        name = f"import-{plan.short_name(file)}-{plan_.digest}.sqlite"
        journal = Journal(client.instance.root / name)
        try:
            if not await _is_of_this_system(client, plan_, journal):
                console.print("The system was wiped since the last run: starting anew.")
                journal.wipe()
            shipment = Shipment(client, plan_, journal, shown)
            _stop_on_signals(shipment)
            await shipment.send()
            problem = await _verify(client, plan_, shipment, shown, options.seed)
        finally:
            journal.close()
    console.print(shown.table())
    pictures = len(plan_.pictured)
    console.print(f"{pictures:,} of the tweets have a picture.", highlight=False)
    if problem:
        console.print(f"[red]✗[/] {problem}", highlight=False)
        return False
    read = min(verify.READERS, len(plan_.names))
    console.print(f"[green]✓[/] {read} of {read} feeds are exactly as recomputed", highlight=False)
    return True


async def _is_of_this_system(client: Client, plan_: Plan, journal: Journal) -> bool:
    """False where the journal's first person is not on the server: `make reset` came between."""
    for number, (user_id, _) in journal.people().items():
        try:
            profile = await client.get(f"/api/users/{user_id}", client.admin_key)
        except Refused as error:
            if error.status == 404:
                return False
            raise
        return bool(profile["user"]["name"] == plan_.names[number])
    return True


async def _verify(
    client: Client, plan_: Plan, shipment: Shipment, shown: Progression, seed: int
) -> str | None:
    ids = {number: user_id for number, (user_id, _) in shipment.people.items()}
    chosen = verify.readers(plan_, seed)
    keys = {reader: shipment.key(reader) for reader in chosen}
    feeds = verify.expected_feeds(plan_, ids, shipment.tweets, chosen)
    with shown.stage("catching up", sum(map(verify.weight, feeds.values()))) as meter:
        await verify.catch_up(client, keys, feeds, meter.reach)
    with shown.stage("verifying", len(feeds)) as meter:
        for reader, feed in feeds.items():
            wrong = await verify.difference(client, keys[reader], ids[reader], feed)
            if wrong:
                return f"The feed of {plan_.names[reader]} (id {ids[reader]}): {wrong}"
            meter.advance()
    return None


def _stop_on_signals(shipment: Shipment) -> None:
    """The first signal lets the calls in flight end. The second one, or a first while nothing is
    sent, does not wait.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        if task is not None and (shipment.stopping or not shipment.sending):
            task.cancel()
        shipment.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _natural(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="deploy.seed.graph", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--undirected", action="store_true", help="each line is two follows")
    parser.add_argument("--tweets", type=_natural, default=20, help="how many a person (20)")
    parser.add_argument("--likes", type=_natural, default=100_000, help="how many in all (100000)")
    parser.add_argument("--seed", type=_natural, default=1, help="another number, other content")
    given = parser.parse_args(arguments)
    options = Options(given.undirected, given.tweets, given.likes, given.seed)
    console = Console(soft_wrap=True)
    try:
        with unlimited.gateway(Instance.from_environment(), console):
            return 0 if asyncio.run(load(given.file, options, console)) else 1
    except (edges.BadGraph, NotUp, Busy, BadSettings) as error:
        print(error, file=sys.stderr)
        return 1
    except Refused as error:
        print(f"{error}\n{STOPPED}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{given.file}: {error.strerror or error}", file=sys.stderr)
        return 1
    except (Stopped, KeyboardInterrupt, asyncio.CancelledError):
        print(STOPPED, file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
