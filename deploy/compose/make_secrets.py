"""Makes the secrets of a system in containers, once: each part gets a volume with its own alone.

Run by the service `secrets` before all others; what is there already is never changed. Below
/secrets lies a folder for each part, and `all`, which no other part sees.
"""

import os
from pathlib import Path

from deploy.local import keys
from deploy.local.places import SERVICES
from deploy.rabbitmq.definitions import definitions

ROOT = Path("/secrets")
OURS = 10001
"""The user that the images of ours run as."""


def main() -> None:
    made = keys.load(ROOT / "all")
    admin_key = keys.load_admin_key(ROOT / "all")
    passwords = {part: made[f"broker_{part}"] for part in (*SERVICES, "gateway")}
    brokers = {part: f"amqp://{part}:{word}@rabbitmq:5672/" for part, word in passwords.items()}
    for service in SERVICES:
        prefix = service.upper()
        own = {
            f"{prefix}_BROKER_URL": brokers[service],
            f"{prefix}_IDENTITY_PUBLIC_KEY": keys.public_half(made["identity"]),
            "DB_PASSWORD": made[f"database_{service}"],
        }
        if service == "users":
            own["USERS_ADMIN_KEY"] = admin_key
        if service == "media":
            own["MEDIA_S3_ACCESS_KEY"] = made["store_access"]
            own["MEDIA_S3_SECRET_KEY"] = made["store_secret"]
        write(service, "environment", variables(own), OURS)
    gateway = {
        "GATEWAY_BROKER_URL": brokers["gateway"],
        "GATEWAY_IDENTITY_PRIVATE_KEY": made["identity"],
    }
    write("gateway", "environment", variables(gateway), OURS)
    roles = {f"{name.upper()}_DB_PASSWORD": made[f"database_{name}"] for name in SERVICES}
    write("postgres", "password", made["database_owner"])
    write("postgres", "environment", variables({**roles, "PGPASSWORD": made["database_owner"]}))
    write("minio", "user", made["store_access"])
    write("minio", "password", made["store_secret"])
    write("grafana", "password", made["grafana_password"], 472)
    write(
        "rabbitmq",
        "rabbitmq.conf",
        "load_definitions = /secrets/definitions.json\n"
        "loopback_users = none\n"
        "vm_memory_high_watermark.absolute = 400MB\n"
        "log.console = true\n",
        999,
    )
    write("rabbitmq", "definitions.json", definitions(made["broker_password"], passwords), 999)
    write("rabbitmq", "enabled_plugins", "[rabbitmq_prometheus].\n", 999)


def variables(values: dict[str, str]) -> str:
    """As a shell reads them: no value that is made here needs more than quotes."""
    return "".join(f"export {name}='{value}'\n" for name, value in values.items())


def write(part: str, name: str, text: str, owner: int = 0) -> None:
    file = ROOT / part / name
    keys.write_private(file, text)
    os.chown(file, owner, owner)


if __name__ == "__main__":
    main()
