"""Cleaning of text that people write, the same in every service."""

import re
import unicodedata

_LINE_BREAKS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_TERMINAL_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
"""Colours and cursor movements (ECMA-48 control sequences), as in the output of many programs."""
_CONTROL_CHARACTERS = re.compile("[\x01-\x08\x0e-\x1f\x7f-\x9f]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """Turns every kind of line break into `\\n`, and removes control characters except the tab.

    Control characters come with text that is pasted from a terminal or a log. They are removed, and
    the text is not refused, because a person can neither see nor find them.
    """
    text = _TERMINAL_CODES.sub("", _LINE_BREAKS.sub("\n", text))
    return _CONTROL_CHARACTERS.sub("", text)


def is_storable(text: str) -> bool:
    """Whether PostgreSQL can store the text. It cannot store NUL or half of a surrogate pair."""
    return not _UNSTORABLE.search(text)


def fold(text: str) -> str:
    """The text for comparisons: NFKC, without case, and with `е` for `ё`. Nothing else is folded:
    `й` stays different from `и`, and `ü` from `u`."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.replace("ё", "е")
