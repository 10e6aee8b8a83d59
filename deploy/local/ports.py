"""The ports of an instance, and who holds one that should be free."""

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from . import places, services
from .instance import Instance
from .supervisor import Supervisor
from .terminal import Refused


@dataclass(frozen=True)
class Port:
    number: int
    program: str
    what_for: str
    host: str = "127.0.0.1"


def of(instance: Instance, *, only_infra: bool) -> list[Port]:
    """Every port that the instance listens on with its present settings."""
    made = []
    if instance.embeds_database:
        made.append(Port(instance.offset(places.POSTGRES), "postgres", "PostgreSQL"))
    if instance.embeds_broker:
        made += [
            Port(instance.offset(places.EPMD), "epmd", "Erlang's name server"),
            Port(instance.offset(places.AMQP), "rabbitmq", "RabbitMQ"),
            Port(instance.offset(places.DISTRIBUTION), "rabbitmq", "RabbitMQ's Erlang"),
            Port(instance.offset(places.PROMETHEUS), "rabbitmq", "RabbitMQ's figures"),
        ]
    if instance.embeds_store:
        made.append(Port(instance.offset(places.S3), "s3", "the picture store (S3)"))
    for program in [] if only_infra else services.programs(instance):
        made += [
            Port(number, program.name, what_for, program.host)
            for number, what_for in program.ports.items()
        ]
    return made


def check(expected: list[Port], supervisor: Supervisor) -> None:
    """Raises Refused, naming each port that is taken by anything but this instance."""
    ours = set()
    if supervisor.answers():
        ours = {process.name for process in supervisor.processes() if process.pid}
    taken = [port for port in expected if port.program not in ours and _is_taken(port)]
    if taken:
        lines = "\n".join(
            f"  {port.number}, for {port.what_for}: taken by {_holder(port.number)}"
            for port in taken
        )
        raise Refused(
            f"These ports are taken, so nothing was started:\n{lines}\n"
            "Stop what holds them, or choose another block of a hundred ports: "
            "`WARBLE_PORT=9000 make up`."
        )


def _is_taken(port: Port) -> bool:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        # Connections of an earlier run that linger in TIME_WAIT are no obstacle.
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind((port.host, port.number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise Refused(
                f"{port.host}:{port.number}, for {port.what_for}: {error.strerror}."
            ) from error
    return False


def _holder(number: int) -> str:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            listening = fields[3] == "0A"
            if listening and int(fields[1].rpartition(":")[2], 16) == number:
                inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            links = {os.readlink(link) for link in (process / "fd").iterdir()}
            if links & inodes:
                name = (process / "comm").read_text().strip()
                return f"{name} (pid {process.name})"
        except OSError:
            continue
    return "another user's process" if inodes else "something that /proc does not show"
