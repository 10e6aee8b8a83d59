"""The definitions that RabbitMQ loads at its start: accounts, permissions and the exchange.

`python -m deploy.rabbitmq.definitions` prints equivalent commands for your own broker.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPERATOR = "warble"
"""The administrator's account, which no process of Warble uses."""

_VHOST = "/"
_ACCOUNTS = Path(__file__).with_name("accounts.json")


def definitions(operator_password: str, passwords: Mapping[str, str]) -> str:
    """`passwords` has the password of each service and of the gateway."""
    table: dict[str, Any] = json.loads(_ACCOUNTS.read_text())
    users = [_user(OPERATOR, operator_password, "administrator")]
    permissions = [_permission(OPERATOR, configure=".*", write=".*", read=".*")]
    topics = []
    for name, account in table["accounts"].items():
        users.append(_user(name, passwords[name]))
        permissions.append(
            _permission(name, **{kind: account[kind] for kind in ("configure", "write", "read")})
        )
        topics.append(
            {
                **_permission(name, write=account["publishes"], read=account["consumes"]),
                "exchange": table["exchange"],
            }
        )
    return json.dumps(
        {
            "vhosts": [{"name": _VHOST}],
            "users": users,
            "permissions": permissions,
            "topic_permissions": topics,
            "exchanges": [
                {
                    "name": table["exchange"],
                    "vhost": _VHOST,
                    "type": "topic",
                    "durable": True,
                    "auto_delete": False,
                    "internal": False,
                    "arguments": {},
                }
            ],
        },
        indent=1,
    )


def _user(name: str, password: str, *tags: str) -> dict[str, Any]:
    # The salt derives from the password, which is random itself, so the file is reproducible.
    salt = hashlib.sha256(b"salt" + password.encode()).digest()[:4]
    hashed = salt + hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(hashed).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags),
    }


def _permission(user: str, **patterns: str) -> dict[str, str]:
    return {"user": user, "vhost": _VHOST, **patterns}


def _commands() -> list[str]:
    table: dict[str, Any] = json.loads(_ACCOUNTS.read_text())
    commands = []
    for name, account in table["accounts"].items():
        commands += [
            f"rabbitmqctl add_user {name}",
            "rabbitmqctl set_permissions {} '{}' '{}' '{}'".format(
                name, account["configure"], account["write"], account["read"]
            ),
            "rabbitmqctl set_topic_permissions {} {} '{}' '{}'".format(
                name, table["exchange"], account["publishes"], account["consumes"]
            ),
        ]
    return commands


if __name__ == "__main__":
    print("\n".join(_commands()))
