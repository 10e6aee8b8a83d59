"""What the text of a tweet may be."""

import regex

from chassis import plain_text

from .errors import TextNotAccepted, TweetEmpty, TweetTooLong

_GRAPHEME = regex.compile(r"\X")
_INVISIBLE = regex.compile(r"[\p{Z}\p{Cc}\p{Cf}\p{M}\u115f\u1160\u2800\u3164\uffa0]*")
_CODE_POINTS_PER_CHARACTER = 20
"""A family emoji has 7 to 11 code points; a letter under a hundred accents is not a text."""


def clean(content: str, limit: int) -> str:
    """The text as `plain_text.clean` returns it. Raises TweetEmpty, TweetTooLong, TextNotAccepted.

    Characters are counted as a person counts them: extended grapheme clusters (UAX 29).
    """
    if not plain_text.is_storable(content):
        raise TextNotAccepted
    content = plain_text.clean(content)
    if _INVISIBLE.fullmatch(content):
        raise TweetEmpty
    if len(content) > limit * _CODE_POINTS_PER_CHARACTER:
        raise TweetTooLong(limit=limit)
    if len(content) > limit and sum(1 for _ in _GRAPHEME.finditer(content)) > limit:
        raise TweetTooLong(limit=limit)
    return content
