"""The secrets of one instance: made once, kept in files that only their owner reads."""

import base64
import json
import os
import secrets
import zlib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .places import SERVICES


def _urlsafe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _makers() -> dict[str, Callable[[], str]]:
    return {
        "database_owner": lambda: secrets.token_urlsafe(24),
        **{f"database_{service}": lambda: secrets.token_urlsafe(24) for service in SERVICES},
        "broker_password": lambda: secrets.token_urlsafe(24),
        **{f"broker_{part}": lambda: secrets.token_urlsafe(24) for part in (*SERVICES, "gateway")},
        "broker_cookie": lambda: secrets.token_hex(24).upper(),
        "identity": new_private_key,
        "store_access": lambda: secrets.token_hex(10),
        "store_secret": lambda: secrets.token_urlsafe(24),
        # Used in containers only.
        "grafana_password": lambda: secrets.token_urlsafe(24),
    }


def load(folder: Path) -> dict[str, str]:
    """The secrets by name. Those that are missing are made and written."""
    file = folder / "secrets.json"
    held: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: make() for name, make in _makers().items() if name not in held}
    if missing:
        held |= missing
        write_private(file, json.dumps(held, indent=2) + "\n")
    return held


def load_admin_key(folder: Path) -> str:
    """The key of the first administrator."""
    file = folder / "admin.key"
    if not file.exists():
        random = secrets.token_bytes(32)
        # As chassis/api_keys makes them, which is not on the path of what starts everything.
        write_private(file, f"wrb_{_urlsafe(random + zlib.crc32(random).to_bytes(4, 'big'))}\n")
    return file.read_text().strip()


def new_private_key() -> str:
    """Of a pair for identities, as the settings write it."""
    return _urlsafe(Ed25519PrivateKey.generate().private_bytes_raw())


def public_half(private_keys: str) -> str:
    """The public keys of one private key or several, in an order that does not tell which is which:
    a service starts anew when they are others, not when another one signs."""
    halves = [
        Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(key)).public_key()
        for key in private_keys.split(",")
    ]
    return ",".join(sorted(_urlsafe(half.public_bytes_raw()) for half in halves))


def write_private(file: Path, text: str) -> None:
    """Written aside and renamed, so that no reader ever sees half of it."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    aside.rename(file)
