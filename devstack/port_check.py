"""The ports that an instance needs, and a check that they are free before anything starts."""

import contextlib
import errno
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from operate.terminal import CommandFailed

from . import port_numbers, services
from .instance import Instance
from .orphans import instance_folder


@dataclass(frozen=True)
class Port:
    number: int
    used_by: str
    host: str = "127.0.0.1"


def required(instance: Instance, *, only_infra: bool) -> list[Port]:
    """Every port that the instance listens on with its present settings."""
    found = []
    if instance.embeds_database:
        found.append(Port(instance.port_of(port_numbers.POSTGRES), "PostgreSQL"))
    if instance.embeds_broker:
        found += [
            Port(instance.port_of(port_numbers.AMQP), "RabbitMQ"),
            Port(instance.port_of(port_numbers.DISTRIBUTION), "RabbitMQ (Erlang distribution)"),
            Port(instance.port_of(port_numbers.EPMD), "epmd, Erlang's name server"),
            Port(instance.port_of(port_numbers.PROMETHEUS), "RabbitMQ's metrics"),
        ]
    if instance.embeds_store:
        found.append(Port(instance.port_of(port_numbers.S3), "the object store (S3)"))
    if not only_infra:
        found.append(
            Port(
                instance.port_of(port_numbers.GATEWAY_INTERNAL), "the gateway's health and metrics"
            )
        )
        for program in services.programs(instance):
            found.append(Port(program.port, program.name, program.host))
    return sorted(found, key=lambda port: port.number)


def check(instance: Instance, expected: Iterable[Port]) -> None:
    """Raises CommandFailed, naming each port that another program than this instance uses."""
    taken = [port for port in expected if _is_taken(port)]
    if not taken:
        return
    listeners = _listeners({port.number for port in taken})
    lines = []
    for port in taken:
        pids = listeners.get(port.number, [])
        if instance.root not in map(instance_folder, pids):
            lines.append(f"  {port.number} for {port.used_by}: in use by {_described(pids)}")
    if lines:
        raise CommandFailed(
            "These ports are in use, so nothing was started:\n" + "\n".join(lines) + "\n"
            "Stop the programs that use them, or choose another block of a hundred ports: "
            f"`WARBLE_PORT={instance.port + 1000 if instance.port < 64000 else 9000} make up`."
        )


def _is_taken(port: Port) -> bool:
    family = socket.AF_INET6 if ":" in port.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections of an earlier run in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((port.host, port.number))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise CommandFailed(
                f"Cannot listen on {port.host}:{port.number} for {port.used_by}: {error.strerror}."
            ) from error
    return False


def _listeners(numbers: set[int]) -> dict[int, list[int]]:
    """Pids by port. Processes of other users are visible to root only."""
    pids: dict[int, list[int]] = {}
    for connection in psutil.net_connections("tcp"):
        port, pid = connection.laddr.port, connection.pid
        if connection.status == psutil.CONN_LISTEN and port in numbers and pid is not None:
            pids.setdefault(port, []).append(pid)
    return pids


def _described(pids: list[int]) -> str:
    for pid in sorted(pids):
        with contextlib.suppress(psutil.Error):
            name = psutil.Process(pid).name()
            folder = instance_folder(pid)
            return f"{name} (pid {pid}{f', of the Warble in {folder}' if folder else ''})"
    return "a process of another user"
