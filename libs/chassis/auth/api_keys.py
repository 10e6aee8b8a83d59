"""The format of API keys, and the digest by which a key is stored and looked up."""

import base64
import binascii
import hashlib
import secrets
import zlib

PREFIX = "wrb_"
HINT_LENGTH = 10
"""The number of leading characters that are shown to a person to tell keys apart. Six of them are
random, less than a sixth of the key's secret."""

_RANDOM_BYTES = 32
_CHECKSUM_BYTES = 4
_LENGTH = len(PREFIX) + (_RANDOM_BYTES + _CHECKSUM_BYTES) * 4 // 3
_LENGTH_WITHOUT_CHECKSUM = len(PREFIX) + 43
"""Keys of earlier versions have no checksum."""


def generate() -> str:
    """A new key: a prefix by which scanners find leaked keys, 256 random bits, and a checksum."""
    random = secrets.token_bytes(_RANDOM_BYTES)
    return PREFIX + base64.urlsafe_b64encode(random + _checksum(random)).decode()


def is_mistyped(key: bytes) -> bool:
    """Whether the key looks like a generated one, but has a wrong length or checksum.

    Such a key can be refused without a lookup. A key without the prefix is never mistyped, because
    an operator may have chosen it.
    """
    if not key.startswith(PREFIX.encode()) or len(key) == _LENGTH_WITHOUT_CHECKSUM:
        return False
    if len(key) != _LENGTH:
        return True
    try:
        raw = base64.b64decode(key[len(PREFIX) :], b"-_", validate=True)
    except binascii.Error:
        return True
    return raw[_RANDOM_BYTES:] != _checksum(raw[:_RANDOM_BYTES])


def digest(key: bytes) -> bytes:
    """SHA-256 of the key.

    A slow hash is not needed, because the key has 256 random bits (docs/adr/0010). Comparing
    digests need not take constant time either: how long a comparison takes depends on how many
    bytes of two digests agree, and that reveals nothing about the key.
    """
    return hashlib.sha256(key).digest()


def _checksum(random: bytes) -> bytes:
    return zlib.crc32(random).to_bytes(_CHECKSUM_BYTES, "big")
