"""What a name may be, and how it is searched for."""

import unicodedata

from .errors import NameNotAccepted


def clean(name: str, limit: int) -> str:
    """The name in NFC, trimmed, runs of white space as one blank.

    Raises NameNotAccepted where nothing visible is left, for control characters and for more than
    `limit` characters.
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    kinds = [unicodedata.category(character) for character in name]
    visible = any(kind[0] in "LNPS" for kind in kinds)
    if not visible or len(name) > limit or any(kind in ("Cc", "Cs", "Co", "Cn") for kind in kinds):
        raise NameNotAccepted(limit=limit)
    return name


def fold(text: str) -> str:
    """The text without case and marks, so that `ё` is found as `е`, `É` as `e`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
