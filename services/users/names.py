"""What a name may be, and how it is searched for."""

import re
import unicodedata

from .errors import NameNotAccepted

_UNSTORABLE = ("Cc", "Cs", "Co", "Cn")
_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""They turn the direction of what follows, beyond the name itself (UAX 9)."""
_EMOJI_JOINER = "\u200d"
_JOINERS = "\u200c" + _EMOJI_JOINER
_AS_EMOJI = "\ufe0f"
_SELECTORS = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
"""Letters and a symbol that show nothing."""
_MARKS = 4
"""On one letter (UTS 39, 5.4): more of them cover the lines above and below."""
_VIRAMA = 9


def clean(name: str, limit: int) -> str:
    """The name as `spaced`.

    Raises NameNotAccepted where nothing visible is left, for control characters, for a pile of
    marks and for more than `limit` characters.
    """
    name = spaced(name)
    kinds = [unicodedata.category(character) for character in name]
    visible = any(kind[0] in "LNPS" for kind in kinds)
    hidden = any(kind in _UNSTORABLE for kind in kinds) or any(turn in name for turn in _TURNS)
    piled = "M" * (_MARKS + 1) in "".join(kind[0] for kind in kinds)
    if not visible or hidden or piled or len(name) > limit:
        raise NameNotAccepted(limit=limit)
    return name


def spaced(name: str) -> str:
    """The name in NFC, trimmed, runs of white space as one blank, without what nobody sees: with it
    two names would look the same."""
    kept = [" "]
    for each in name:
        if not _is_unseen(each) and _changes(kept[-1], each):
            kept.append(each)
    words = [word.rstrip(_JOINERS) for word in "".join(kept).split()]
    return unicodedata.normalize("NFC", " ".join(words))


def _is_unseen(character: str) -> bool:
    if character in _FILLERS:
        return True
    return unicodedata.category(character) == "Cf" and character not in _JOINERS + _TURNS


def _changes(before: str, character: str) -> bool:
    """Whether what stands before it looks another way with it: always, but for what only joins or
    only chooses among forms."""
    kind = unicodedata.category(before)
    if _SELECTORS.match(character):
        # They choose how a sign is drawn; a letter is the same with each.
        return kind[0] not in "CLMZ"
    if character not in _JOINERS:
        return True
    # Between Arabic letters, in scripts of India and, of the two one, within an emoji.
    arabic = kind[0] == "L" and unicodedata.bidirectional(before) == "AL"
    drawn = character == _EMOJI_JOINER and (kind in ("So", "Sk") or before == _AS_EMOJI)
    return arabic or drawn or unicodedata.combining(before) == _VIRAMA


def fold(text: str) -> str:
    """The text without case and marks, so that `ё` is found as `е`, `É` as `e`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))
