"""The embedded servers of an instance: PostgreSQL, RabbitMQ and the object store.

A server that the settings name elsewhere (`DB_HOST`, `…_BROKER_URL`, `MEDIA_S3_ENDPOINT`) is not
embedded.
"""

from operate.terminal import step

from . import object_store, postgres, rabbitmq, rabbitmq_install
from .instance import Instance
from .supervisor_config import Program


def prepare(instance: Instance) -> None:
    """Downloads what is missing and creates the servers' files. Running it again is safe."""
    if instance.embeds_database:
        with step("database files"):
            postgres.prepare(instance)
    if instance.embeds_broker:
        if rabbitmq_install.find() is None:
            with step("RabbitMQ, from the distribution's packages") as show_detail:
                rabbitmq_install.install(show_detail)
        rabbitmq.prepare(instance)
    if instance.embeds_store:
        instance.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)


def programs(instance: Instance) -> list[Program]:
    found = []
    if instance.embeds_broker and (installation := rabbitmq_install.find()) is not None:
        found += rabbitmq.programs(instance, installation)
    if instance.embeds_database:
        found.append(postgres.program(instance))
    if instance.embeds_store:
        found.append(object_store.program(instance))
    return found


def description(instance: Instance) -> str:
    """The embedded servers in words: `PostgreSQL, RabbitMQ and the object store`; may be empty."""
    names = [
        name
        for name, is_embedded in (
            ("PostgreSQL", instance.embeds_database),
            ("RabbitMQ", instance.embeds_broker),
            ("the object store", instance.embeds_store),
        )
        if is_embedded
    ]
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
