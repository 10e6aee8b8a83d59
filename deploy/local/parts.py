"""The embedded parts of an instance: those that its settings do not replace by one's own."""

from . import broker_files, postgres, rabbitmq, store
from .instance import Instance
from .programs import Program
from .terminal import step


def prepare(instance: Instance) -> None:
    """Fetches what is missing, and makes the parts' files. Safe to run again."""
    if instance.embeds_database:
        with step("database files"):
            postgres.prepare(instance)
    if instance.embeds_broker:
        if broker_files.find() is None:
            with step("RabbitMQ, from the distribution's packages") as tell:
                broker_files.fetch(tell)
        rabbitmq.prepare(instance)
    if instance.embeds_store:
        instance.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)


def programs(instance: Instance) -> list[Program]:
    made = []
    if instance.embeds_broker and (files := broker_files.find()) is not None:
        made += rabbitmq.programs(instance, files)
    if instance.embeds_database:
        made.append(postgres.program(instance))
    if instance.embeds_store:
        made.append(store.program(instance))
    return made


def named(instance: Instance) -> str:
    """What is embedded, in words; empty where nothing is."""
    names = [
        name
        for name, embedded in (
            ("PostgreSQL", instance.embeds_database),
            ("RabbitMQ", instance.embeds_broker),
            ("the picture store", instance.embeds_store),
        )
        if embedded
    ]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
