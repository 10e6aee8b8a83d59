"""The ports of an instance, and who holds one that should be free."""

import errno
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import places, services
from .instance import Instance
from .orphans import home_of
from .terminal import Refused


@dataclass(frozen=True)
class Port:
    number: int
    what_for: str
    host: str = "127.0.0.1"


def of(instance: Instance, *, only_infra: bool) -> list[Port]:
    """Every port that the instance listens on with its present settings."""
    made = []
    if instance.embeds_database:
        made.append(Port(instance.offset(places.POSTGRES), "PostgreSQL"))
    if instance.embeds_broker:
        made += [
            Port(instance.offset(places.AMQP), "RabbitMQ"),
            Port(instance.offset(places.DISTRIBUTION), "RabbitMQ's Erlang"),
            Port(instance.offset(places.EPMD), "Erlang's name server"),
            Port(instance.offset(places.PROMETHEUS), "RabbitMQ's figures"),
        ]
    if instance.embeds_store:
        made.append(Port(instance.offset(places.S3), "the picture store (S3)"))
    if not only_infra:
        made.append(
            Port(instance.offset(places.GATEWAY_INTERNAL), "the gateway's health and metrics")
        )
        for program in services.programs(instance):
            made.append(Port(program.port, program.name, program.host))
    return sorted(made, key=lambda port: port.number)


def check(instance: Instance, expected: Iterable[Port]) -> None:
    """Raises Refused, naming each port that is taken by anything but this instance."""
    taken = [port for port in expected if _is_taken(port)]
    if not taken:
        return
    holders = _holders({port.number for port in taken})
    lines = []
    for port in taken:
        pids = holders.get(port.number, [])
        if instance.root not in map(home_of, pids):
            lines.append(f"  {port.number}, for {port.what_for}: taken by {_described(pids)}")
    if lines:
        raise Refused(
            "These ports are taken, so nothing was started:\n" + "\n".join(lines) + "\n"
            "Stop what holds them, or choose another block of a hundred ports: "
            f"`WARBLE_PORT={instance.port + 1000 if instance.port < 64000 else 9000} make up`."
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


def _holders(numbers: set[int]) -> dict[int, list[int]]:
    """The processes that listen on each of the ports, as far as /proc shows them to us."""
    listening: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            number = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and number in numbers:
                listening[f"socket:[{fields[9]}]"] = number
    holders: dict[int, list[int]] = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdecimal():
            continue
        try:
            links = {os.readlink(link) for link in (process / "fd").iterdir()}
        except OSError:
            continue
        for link in links & listening.keys():
            holders.setdefault(listening[link], []).append(int(process.name))
    return holders


def _described(pids: list[int]) -> str:
    for pid in sorted(pids):
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        home = home_of(pid)
        return f"{name} (pid {pid}{f', of the Warble in {home}' if home else ''})"
    return "another user's process, which /proc does not show"
