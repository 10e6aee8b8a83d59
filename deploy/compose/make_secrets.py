"""Generates the secrets of a system in containers. Each service gets a volume with its own only;
the operators' commands get those of all services.

The service `secrets` of docker-compose.yml runs this before all others. Existing secrets are never
changed. /secrets has a folder per service, and `all`, which only this script sees.
"""

import os
from pathlib import Path

from deploy.rabbitmq.definitions import definitions
from devstack import keys
from devstack.repository import SERVICES

ROOT = Path("/secrets")
WARBLE_UID = 10001
"""The user id in Warble's images."""


def main() -> None:
    secrets = keys.load(ROOT / "all")
    admin_key = keys.load_admin_key(ROOT / "all")
    passwords = {name: secrets[f"broker_{name}"] for name in (*SERVICES, "gateway")}
    broker_urls = {
        name: f"amqp://{name}:{password}@rabbitmq:5672/" for name, password in passwords.items()
    }
    for service in SERVICES:
        prefix = service.upper()
        settings = {
            f"{prefix}_BROKER_URL": broker_urls[service],
            f"{prefix}_IDENTITY_PUBLIC_KEY": keys.public_keys_of(secrets["identity"]),
            "DB_PASSWORD": secrets[f"database_{service}"],
        }
        if service == "users":
            settings["USERS_ADMIN_KEY"] = admin_key
        if service == "media":
            settings["MEDIA_S3_ACCESS_KEY"] = secrets["store_access"]
            settings["MEDIA_S3_SECRET_KEY"] = secrets["store_secret"]
        write(service, "environment", export_lines(settings), WARBLE_UID)
        write_each(f"operate/{service}", settings)
    write_each("operate/postgres", {"DB_PASSWORD": secrets["database_owner"]})
    gateway = {
        "GATEWAY_BROKER_URL": broker_urls["gateway"],
        "GATEWAY_IDENTITY_PRIVATE_KEY": secrets["identity"],
    }
    write("gateway", "environment", export_lines(gateway), WARBLE_UID)
    roles = {f"{name.upper()}_DB_PASSWORD": secrets[f"database_{name}"] for name in SERVICES}
    write("postgres", "password", secrets["database_owner"])
    write(
        "postgres", "environment", export_lines({**roles, "PGPASSWORD": secrets["database_owner"]})
    )
    write("minio", "user", secrets["store_access"])
    write("minio", "password", secrets["store_secret"])
    write("grafana", "password", secrets["grafana_password"], 472)
    write(
        "rabbitmq",
        "rabbitmq.conf",
        "load_definitions = /secrets/definitions.json\n"
        "loopback_users = none\n"
        "vm_memory_high_watermark.absolute = 400MB\n"
        "log.console = true\n",
        999,
    )
    write("rabbitmq", "definitions.json", definitions(secrets["broker_password"], passwords), 999)
    write("rabbitmq", "enabled_plugins", "[rabbitmq_prometheus].\n", 999)


def export_lines(values: dict[str, str]) -> str:
    """Lines for a shell. No generated value contains a quote."""
    return "".join(f"export {name}='{value}'\n" for name, value in values.items())


def write_each(folder: str, values: dict[str, str]) -> None:
    """A file per variable, for the operators' commands, which get those of every service."""
    (ROOT / folder).mkdir(exist_ok=True)
    for name, value in values.items():
        write(folder, name, value, WARBLE_UID)


def write(folder: str, name: str, text: str, owner: int = 0) -> None:
    file = ROOT / folder / name
    keys.write_private(file, text)
    os.chown(file, owner, owner)


if __name__ == "__main__":
    main()
