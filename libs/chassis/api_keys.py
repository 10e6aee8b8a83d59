"""What an api-key looks like, and what it is known by once it has been shown."""

import base64
import binascii
import hashlib
import secrets
import zlib

PREFIX = "wrb_"
HINT_LENGTH = 10
"""Characters by which a person knows which key is meant: less than a sixth of what is random."""

_RANDOM_BYTES = 32
_CHECK_BYTES = 4
_LENGTH = len(PREFIX) + (_RANDOM_BYTES + _CHECK_BYTES) * 4 // 3
_LENGTH_WITHOUT_CHECK = len(PREFIX) + 43
"""Of the keys that were made before there was a checksum."""


def generate() -> str:
    """A new key: a prefix by which leaked ones are found, 256 random bits, a checksum of them."""
    random = secrets.token_bytes(_RANDOM_BYTES)
    return PREFIX + base64.urlsafe_b64encode(random + _checksum(random)).decode()


def is_mistyped(key: bytes) -> bool:
    """Whether this was meant to be a key that `generate` made, and is none.

    Nobody has to be asked about it. What does not begin like ours may be of an operator's choosing.
    """
    if not key.startswith(PREFIX.encode()) or len(key) == _LENGTH_WITHOUT_CHECK:
        return False
    if len(key) != _LENGTH:
        return True
    try:
        raw = base64.b64decode(key[len(PREFIX) :], b"-_", validate=True)
    except binascii.Error:
        return True
    return raw[_RANDOM_BYTES:] != _checksum(raw[:_RANDOM_BYTES])


def digest(key: bytes) -> bytes:
    """SHA-256: the key itself is random enough to need no slow hash. Whoever compares digests and
    takes longer the more they have in common tells nothing of the key."""
    return hashlib.sha256(key).digest()


def _checksum(random: bytes) -> bytes:
    return zlib.crc32(random).to_bytes(_CHECK_BYTES, "big")
