"""What the text of a tweet may be."""

import regex

from .errors import TextNotAccepted, TweetEmpty, TweetTooLong

_GRAPHEME = regex.compile(r"\X")
_UNSTORABLE = regex.compile(r"[\x00\ud800-\udfff]")
"""NUL, and halves of a character: JSON can write both, UTF-8 text has neither."""
_NOTHING_SEEN = regex.compile(r"[\p{Z}\p{Cc}\p{Cf}\p{M}\u115f\u1160\u2800\u3164\uffa0]*")
_CODE_POINTS_PER_CHARACTER = 20
"""A family emoji has 7 to 11 code points; a letter under a hundred accents is not a text."""


def check(content: str, limit: int) -> None:
    """Raises TweetEmpty, TweetTooLong or TextNotAccepted.

    Characters are counted as a person counts them: extended grapheme clusters (UAX 29).
    """
    if _UNSTORABLE.search(content):
        raise TextNotAccepted
    if _NOTHING_SEEN.fullmatch(content):
        raise TweetEmpty
    if len(content) > limit * _CODE_POINTS_PER_CHARACTER:
        raise TweetTooLong(limit=limit)
    if len(content) > limit and sum(1 for _ in _GRAPHEME.finditer(content)) > limit:
        raise TweetTooLong(limit=limit)
