"""The secrets of one instance: made once, kept in files that only their owner reads."""

import base64
import json
import os
import secrets
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
        "broker_cookie": lambda: secrets.token_hex(24).upper(),
        "identity": lambda: _urlsafe(Ed25519PrivateKey.generate().private_bytes_raw()),
        "store_access": lambda: secrets.token_hex(10),
        "store_secret": lambda: secrets.token_urlsafe(24),
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
        write_private(file, "wrb_" + _urlsafe(secrets.token_bytes(32)).rstrip("=") + "\n")
    return file.read_text().strip()


def public_half(private_key: str) -> str:
    key = Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(private_key))
    return _urlsafe(key.public_key().public_bytes_raw())


def write_private(file: Path, text: str) -> None:
    """Written aside and renamed, so that no reader ever sees half of it."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    aside.rename(file)
