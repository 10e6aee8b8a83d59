"""What an api-key looks like, and what is kept of it."""

import hashlib
import secrets

PREFIX = "wrb_"
RANDOM_BYTES = 32


def generate() -> str:
    """A new key of 256 random bits, with a prefix by which leaked ones are found."""
    return PREFIX + secrets.token_urlsafe(RANDOM_BYTES)


def digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
