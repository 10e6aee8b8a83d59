"""The secrets of one instance: generated once, stored in files that only their owner can read."""

import base64
import json
import os
import secrets
import zlib
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .repository import SERVICES


def _urlsafe(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _generators() -> dict[str, Callable[[], str]]:
    return {
        "database_owner": lambda: secrets.token_urlsafe(24),
        **{f"database_{service}": lambda: secrets.token_urlsafe(24) for service in SERVICES},
        "broker_password": lambda: secrets.token_urlsafe(24),
        **{f"broker_{name}": lambda: secrets.token_urlsafe(24) for name in (*SERVICES, "gateway")},
        "broker_cookie": lambda: secrets.token_hex(24).upper(),
        "identity": new_private_key,
        "store_access": lambda: secrets.token_hex(10),
        "store_secret": lambda: secrets.token_urlsafe(24),
        # Used in containers only.
        "grafana_password": lambda: secrets.token_urlsafe(24),
    }


def load(folder: Path) -> dict[str, str]:
    """The secrets by name. Missing ones are generated and stored."""
    file = folder / "secrets.json"
    stored: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    missing = {name: generate() for name, generate in _generators().items() if name not in stored}
    if missing:
        stored |= missing
        write_private(file, json.dumps(stored, indent=2) + "\n")
    return stored


def load_admin_key(folder: Path) -> str:
    """The key of the first administrator; generated and stored if it is missing."""
    file = folder / "admin.key"
    if not file.exists():
        random = secrets.token_bytes(32)
        # The format of chassis.auth.api_keys, which is not on the import path of devstack.
        write_private(file, f"wrb_{_urlsafe(random + zlib.crc32(random).to_bytes(4, 'big'))}\n")
    return file.read_text().strip()


def new_private_key() -> str:
    """An Ed25519 key with which the gateway signs identities, as the settings encode it."""
    return _urlsafe(Ed25519PrivateKey.generate().private_bytes_raw())


def public_keys_of(private_keys: str) -> str:
    """The public keys of comma-separated private keys, sorted.

    The order does not depend on which key signs, so services restart only if the set of keys
    changes.
    """
    public_keys = [
        Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(key)).public_key()
        for key in private_keys.split(",")
    ]
    return ",".join(sorted(_urlsafe(key.public_bytes_raw()) for key in public_keys))


def write_private(file: Path, text: str) -> None:
    """Writes a temporary file and renames it, so that no reader ever sees half of the content."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    temporary.rename(file)
