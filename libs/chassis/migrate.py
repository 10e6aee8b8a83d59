"""`python -m chassis.migrate services.feed`: brings a service's schema and queues up to date.

Run for every service before any of them starts: a queue has to exist before the first event that
it must hold is published. `--replay` moves the service's dead letters back to their queues instead;
`--empty` drops all that is on its way to it, which a restored database knows better.
"""

import asyncio
import importlib
import sys

from . import broker, consumer, database
from .settings import ServiceSettings
from .subscriptions import Subscriptions, subscriptions_of


async def _at_broker(
    settings: ServiceSettings, subscriptions: Subscriptions, option: str | None
) -> None:
    connection = await broker.connect(
        settings.broker_url.get_secret_value(), f"warble-{settings.service}-migrate"
    )
    async with connection, connection.channel(on_return_raises=True) as channel:
        old = await broker.of_before(connection, subscriptions)
        await broker.declare(channel, subscriptions, old)
        if option == "--empty":
            await broker.empty(channel, subscriptions)
        if option == "--replay":
            moved = await consumer.replay(channel, subscriptions)
            print(f"{settings.service}: {moved} dead letters are back in their queues")


def main(arguments: list[str]) -> int:
    options = [argument for argument in arguments if argument in ("--replay", "--empty")]
    packages = [argument for argument in arguments if argument not in options]
    if len(packages) != 1 or len(options) > 1:
        print(
            "usage: python -m chassis.migrate [--replay | --empty] services.<name>", file=sys.stderr
        )
        return 2
    option = options[0] if options else None
    package = packages[0]
    settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
    if option is None:
        database.upgrade(package, settings)
    subscriptions = subscriptions_of(package)
    if subscriptions is not None:
        asyncio.run(_at_broker(settings, subscriptions, option))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
