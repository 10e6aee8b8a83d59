"""The text of a tweet: which texts are accepted, and how they are stored."""

import regex

from chassis import plain_text

from .errors import TextNotAccepted, TweetEmpty, TweetTooLong

_GRAPHEME_CLUSTER = regex.compile(r"\X")
_INVISIBLE = regex.compile(r"[\p{Z}\p{Cc}\p{Cf}\p{M}\u115f\u1160\u2800\u3164\uffa0]*")
_CODE_POINTS_PER_CHARACTER = 20
"""A bound for the stored size. A family emoji has 7 to 11 code points, but one character could
otherwise carry thousands of accents."""


def clean(content: str, limit: int) -> str:
    """The text in the form in which it is stored: see `plain_text.clean`.

    `limit` counts characters as a person does: extended grapheme clusters (UAX 29). Raises
    TweetEmpty, TweetTooLong and TextNotAccepted.
    """
    if not plain_text.is_storable(content):
        raise TextNotAccepted
    content = plain_text.clean(content)
    if _INVISIBLE.fullmatch(content):
        raise TweetEmpty
    if len(content) > limit * _CODE_POINTS_PER_CHARACTER:
        raise TweetTooLong(limit=limit)
    # Counting clusters is slow, and there are never more of them than code points.
    if len(content) > limit and sum(1 for _ in _GRAPHEME_CLUSTER.finditer(content)) > limit:
        raise TweetTooLong(limit=limit)
    return content
