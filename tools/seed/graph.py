"""Imports an edge list of who follows whom through the API, with generated names and tweets."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console

from devstack.instance import BadSettings, Instance
from tools.api_client import ATTEMPTS, Api, ApiError, GatewayUnreachable, api_of

from . import edge_list, plan, rate_limits, verify
from .journal import Journal, JournalLocked
from .plan import Options, Plan
from .progress import stage
from .sender import ImportInterrupted, Sender

INTERRUPTED = "Interrupted. Run the command again to continue."


async def load(
    file: Path, options: Options, console: Console, instance: Instance | None = None
) -> bool:
    """Returns whether the feeds are as expected. Raises the exceptions that `main` catches."""
    graph = edge_list.read(file, undirected=options.undirected)
    plan_ = plan.make(file, graph, options)
    async with api_of(instance or Instance.from_environment(), ATTEMPTS) as api:
        name = f"import-{plan.short_name(file)}-{plan_.digest}.sqlite"
        journal = Journal(api.instance.root / name)
        try:
            if not await _matches_server(api, plan_, journal):
                console.print(
                    "The system was reset since the last run, so the import starts again."
                )
                journal.wipe()
            sender = Sender(api, plan_, journal, console)
            _stop_on_signals(sender)
            await sender.send()
            problem = await _verify(plan_, sender, console, options.seed)
        finally:
            journal.close()
    pictures = len(plan_.with_picture)
    console.print(f"{pictures:,} of the tweets have a picture.", highlight=False)
    if problem:
        console.print(f"[red]✗[/] {problem}", highlight=False)
        return False
    read = min(verify.READERS, len(plan_.names))
    console.print(f"[green]✓[/] {read} of {read} feeds are as expected", highlight=False)
    return True


async def _matches_server(api: Api, plan_: Plan, journal: Journal) -> bool:
    """False if the journal's first person is not on the server, as after `make reset`."""
    for number, (user_id, _) in journal.people().items():
        try:
            profile = await api.administrator.done("GET", f"/api/users/{user_id}")
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return bool(profile["user"]["name"] == plan_.names[number])
    return True


async def _verify(plan_: Plan, sender: Sender, console: Console, seed: int) -> str | None:
    ids = {number: user_id for number, (user_id, _) in sender.people.items()}
    readers = verify.readers(plan_, seed)
    people = {reader: sender.person(reader) for reader in readers}
    feeds = verify.expected_feeds(plan_, ids, sender.tweets, readers)
    with stage(console, "catching up", sum(map(verify.weight, feeds.values()))) as progress:
        await verify.catch_up(people, feeds, progress.reach)
    with stage(console, "verifying", len(feeds)) as progress:
        for reader, feed in feeds.items():
            wrong = await verify.difference(people[reader], feed)
            if wrong:
                return f"The feed of {plan_.names[reader]} (id {ids[reader]}): {wrong}"
            progress.advance()
    return None


def _stop_on_signals(sender: Sender) -> None:
    """The first signal stops new calls and waits for those in flight.

    A second signal cancels them. So does the first one while nothing is being sent.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def stop() -> None:
        if task is not None and (sender.stopping or not sender.sending):
            task.cancel()
        sender.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


def _non_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.seed.graph", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--undirected", action="store_true", help="each line means two follows")
    parser.add_argument("--tweets", type=_non_negative, default=20, help="tweets per person (20)")
    parser.add_argument(
        "--likes", type=_non_negative, default=100_000, help="likes in total (100000)"
    )
    parser.add_argument(
        "--seed", type=_non_negative, default=1, help="seed of the generated content (1)"
    )
    parsed = parser.parse_args(arguments)
    options = Options(parsed.undirected, parsed.tweets, parsed.likes, parsed.seed)
    console = Console(soft_wrap=True)
    try:
        with rate_limits.switched_off(Instance.from_environment(), console):
            return 0 if asyncio.run(load(parsed.file, options, console)) else 1
    except (edge_list.BadGraph, GatewayUnreachable, JournalLocked, BadSettings) as error:
        print(error, file=sys.stderr)
        return 1
    except ApiError as error:
        print(f"{error}\n{INTERRUPTED}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{parsed.file}: {error.strerror or error}", file=sys.stderr)
        return 1
    except (ImportInterrupted, KeyboardInterrupt, asyncio.CancelledError):
        print(INTERRUPTED, file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
