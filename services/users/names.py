"""What a name may be, and how it is searched for."""

import unicodedata

from .errors import NameNotAccepted

_UNSEEN = ("Cc", "Cs", "Co", "Cn")
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the direction of what follows, beyond the name itself (UAX 9)."""


def clean(name: str, limit: int) -> str:
    """The name as `spaced`.

    Raises NameNotAccepted where nothing visible is left, for control characters and for more than
    `limit` characters.
    """
    name = spaced(name)
    kinds = [unicodedata.category(character) for character in name]
    visible = any(kind[0] in "LNPS" for kind in kinds)
    hidden = any(kind in _UNSEEN for kind in kinds) or any(turn in name for turn in _TURNS)
    if not visible or hidden or len(name) > limit:
        raise NameNotAccepted(limit=limit)
    return name


def spaced(name: str) -> str:
    """The name in NFC, trimmed, runs of white space as one blank."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def fold(text: str) -> str:
    """The text without case and marks, so that `ё` is found as `е`, `É` as `e`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
