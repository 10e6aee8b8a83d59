"""The embedded broker, and the name server that Erlang wants beside it."""

import hashlib
import socket
from pathlib import Path

from deploy.rabbitmq.definitions import definitions

from . import places
from .broker_files import BrokerFiles
from .instance import Instance
from .keys import write_private
from .programs import Program

NODE = "warble@localhost"


def _folder(instance: Instance) -> Path:
    return instance.root / "rabbitmq"


def prepare(instance: Instance) -> None:
    """Writes the configuration and the cookie. Safe to run again."""
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
    parts = (*places.SERVICES, "gateway")
    passwords = {part: instance.secrets[f"broker_{part}"] for part in parts}
    return definitions(instance.secrets["broker_password"], passwords)


def _configuration(instance: Instance) -> str:
    return f"""\
listeners.tcp.1 = 127.0.0.1:{instance.offset(places.AMQP)}
load_definitions = {_folder(instance) / "definitions.json"}
loopback_users = none
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
prometheus.tcp.ip = 127.0.0.1
prometheus.tcp.port = {instance.offset(places.PROMETHEUS)}
management_agent.disable_metrics_collector = true
log.console = true
log.console.level = info
log.file = false
"""


def programs(instance: Instance, files: BrokerFiles) -> list[Program]:
    folder = _folder(instance)
    ports = {
        number: instance.offset(number)
        for number in (places.AMQP, places.DISTRIBUTION, places.EPMD, places.PROMETHEUS)
    }
    plain = places.plain_environment()
    environment = {
        **plain,
        "PATH": ":".join([*map(str, files.path), plain.get("PATH", "/usr/bin:/bin")]),
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(ports[places.EPMD]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        **({"LD_LIBRARY_PATH": ":".join(map(str, files.libraries))} if files.libraries else {}),
    }
    epmd = Program(
        name="epmd",
        command=[
            str(files.epmd),
            "-address",
            "127.0.0.1",
            "-port",
            str(ports[places.EPMD]),
        ],
        environment=environment,
        port=ports[places.EPMD],
        ready=lambda: listens(ports[places.EPMD]),
    )
    broker = Program(
        name="rabbitmq",
        command=[str(files.server)],
        environment={
            **environment,
            # It reads its files at its start alone: another content makes another program.
            "WARBLE_REVISION": hashlib.sha256(
                f"{_configuration(instance)}{_definitions(instance)}".encode()
            ).hexdigest()[:16],
            "RABBITMQ_NODENAME": NODE,
            "RABBITMQ_NODE_PORT": str(ports[places.AMQP]),
            "RABBITMQ_DIST_PORT": str(ports[places.DISTRIBUTION]),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "no-advanced"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-environment-file"),
            # Distribution begins before any configuration file is read.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ("-kernel inet_dist_use_interface {127,0,0,1}"),
            "RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD": "none",
            # The start script becomes the broker instead of staying as its parent, so that the
            # supervisor's signals reach the broker itself.
            "RUNNING_UNDER_SYSTEMD": "true",
        },
        directory=folder,
        port=ports[places.AMQP],
        ready=lambda: greets(ports[places.AMQP]),
    )
    return [epmd, broker]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
    except OSError:
        return False
    return True


def greets(port: int) -> bool:
    """Whether a broker answers the protocol's header with the beginning of a session."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False
