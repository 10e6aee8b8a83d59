"""What the broker reads at its start: an operator's account, and one for each part.

`python -m deploy.rabbitmq.definitions` says the same as commands, for a broker of one's own.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

OPERATOR = "warble"
"""May do everything: for the person who looks after the broker, and for no process of ours."""

_VHOST = "/"
_ACCOUNTS = Path(__file__).with_name("accounts.json")


def definitions(operator_password: str, passwords: Mapping[str, str]) -> str:
    """`passwords` are those of the parts, by their names."""
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
                **_permission(name, write=account["publishes"], read=account["hears"]),
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
    # The salt is drawn from the password, which is random itself: the same file each time.
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
    said = []
    for name, account in table["accounts"].items():
        said += [
            f"rabbitmqctl add_user {name}",
            "rabbitmqctl set_permissions {} '{}' '{}' '{}'".format(
                name, account["configure"], account["write"], account["read"]
            ),
            "rabbitmqctl set_topic_permissions {} {} '{}' '{}'".format(
                name, table["exchange"], account["publishes"], account["hears"]
            ),
        ]
    return said


if __name__ == "__main__":
    print("\n".join(_commands()))
