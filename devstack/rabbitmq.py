"""The embedded RabbitMQ, and epmd, the name server that Erlang nodes need."""

import hashlib
import socket
from pathlib import Path

from deploy.rabbitmq.definitions import definitions

from . import environment, port_numbers, repository
from .instance import Instance
from .keys import write_private
from .rabbitmq_install import RabbitmqInstallation
from .supervisor_config import Program

NODE = "warble@localhost"

_ERLANG_ARGUMENTS = (
    # Erlang opens its distribution port before it reads any configuration file.
    "-kernel inet_dist_use_interface {127,0,0,1} "
    # Each scheduler thread has memory of its own: one is enough here, on however many cores.
    "+S 1:1 +SDcpu 1:1 +SDio 2 "
    # Returns free memory to the operating system at once.
    "+MMmcs 0"
)


def _folder(instance: Instance) -> Path:
    return instance.root / "rabbitmq"


def prepare(instance: Instance) -> None:
    """Writes configuration, accounts and Erlang cookie. Running it again is safe."""
    folder = _folder(instance)
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / "rabbitmq.conf", _configuration(instance))
    write_private(folder / "enabled_plugins", "[rabbitmq_prometheus].\n")
    write_private(folder / "definitions.json", _definitions(instance))
    cookie = folder / ".erlang.cookie"
    if not cookie.exists():
        write_private(cookie, instance.secrets["broker_cookie"])
        cookie.chmod(0o400)


def _definitions(instance: Instance) -> str:
    accounts = (*repository.SERVICES, "gateway")
    passwords = {name: instance.secrets[f"broker_{name}"] for name in accounts}
    return definitions(instance.secrets["broker_password"], passwords)


def _configuration(instance: Instance) -> str:
    return f"""\
listeners.tcp.1 = 127.0.0.1:{instance.port_of(port_numbers.AMQP)}
load_definitions = {_folder(instance) / "definitions.json"}
loopback_users = none
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {instance.port_of(port_numbers.PROMETHEUS)}
management_agent.disable_metrics_collector = true
log.console = true
log.console.level = info
log.file = false
"""


def programs(instance: Instance, installation: RabbitmqInstallation) -> list[Program]:
    folder = _folder(instance)
    ports = {
        number: instance.port_of(number)
        for number in (
            port_numbers.AMQP,
            port_numbers.DISTRIBUTION,
            port_numbers.EPMD,
            port_numbers.PROMETHEUS,
        )
    }
    inherited = environment.inherited_environment()
    variables = {
        **inherited,
        "PATH": ":".join([*map(str, installation.path), inherited.get("PATH", "/usr/bin:/bin")]),
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(ports[port_numbers.EPMD]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        **(
            {"LD_LIBRARY_PATH": ":".join(map(str, installation.libraries))}
            if installation.libraries
            else {}
        ),
    }
    epmd = Program(
        name="epmd",
        command=[
            *(str(installation.epmd), "-address", "127.0.0.1"),
            *("-port", str(ports[port_numbers.EPMD])),
        ],
        environment=variables,
        port=ports[port_numbers.EPMD],
        is_ready=lambda: accepts_connections(ports[port_numbers.EPMD]),
    )
    broker = Program(
        name="rabbitmq",
        command=[str(installation.server)],
        environment={
            **variables,
            # The broker reads its files only when it starts: a new hash makes devstack restart it.
            "WARBLE_REVISION": hashlib.sha256(
                f"{_configuration(instance)}{_definitions(instance)}".encode()
            ).hexdigest()[:16],
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_PORT": str(ports[port_numbers.AMQP]),
            "RABBITMQ_DIST_PORT": str(ports[port_numbers.DISTRIBUTION]),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-environment-file"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_ARGUMENTS,
            # Each process that may run costs 16 bytes. The default is a million; a queue or client
            # needs only a few.
            "RABBITMQ_MAX_NUMBER_OF_PROCESSES": "32768",
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
            # Makes the start script exec the broker instead of waiting for it as a child, so that
            # the supervisor's signals reach the broker itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        },
        directory=folder,
        port=ports[port_numbers.AMQP],
        is_ready=lambda: speaks_amqp(ports[port_numbers.AMQP]),
    )
    return [epmd, broker]


def accepts_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True


def speaks_amqp(port: int) -> bool:
    """Whether a broker answers the AMQP 0-9-1 protocol header with its first frame."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
