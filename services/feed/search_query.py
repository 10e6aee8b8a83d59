"""The language of searches: parses what a person typed into words and filters.

A query is a list of terms, all of which a tweet must match:

    query    = term { ["or"] term }
    term     = ["-"] ( operator | phrase | tag | word )
    operator = name ":" value            from:me  has:image  during:2026-11
    phrase   = '"' characters '"'        "new office"
    tag      = "#" word                  #release
    value    = '"' characters '"' | characters without a space

A minus excludes. `or` between two words or phrases accepts either. Every kind of quotation mark
counts as `"`, and operators and values have Russian names too. A name that is no operator is part
of a word, so `10:30` and `https://…` are words. The parser reads no table: people are names here,
and times are dates. `search` finds out whom and what they mean.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import Enum
from typing import Any, Literal, NamedTuple

import regex

from chassis import plain_text

from .errors import (
    SearchContentExpected,
    SearchDateExpected,
    SearchKindExpected,
    SearchPersonExpected,
    SearchTooLong,
)

MAX_TERMS = 30
_SHOWN_CHARACTERS = 40
"""How much of a value an error message repeats."""

_TERM = regex.compile(
    r"""
    (?P<minus>-)?
    (?:
        (?P<name>\p{L}+):(?P<value>"[^"]*"?|\S*)
        | "(?P<phrase>[^"]*)"?
        | \#(?P<tag>[\p{L}\p{M}\p{N}_]+)
        | (?P<word>\S+)
    )
    """,
    regex.VERBOSE,
)
_WORD_CHARACTER = regex.compile(r"[\p{L}\p{N}]")
_SYMBOL = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}")
_PREFIX = regex.compile(r"[\p{L}\p{M}\p{N}]{3,}")
"""Words that may be unfinished: shorter ones would match a large part of all words."""
_QUOTATION_MARKS = str.maketrans(dict.fromkeys("«»“”„‟", '"'))
_ALTERNATIVES = ("or", "или")
_OPERATORS = {
    "from": ("from", "от"),
    "to": ("to", "кому"),
    "has": ("has", "есть"),
    "is": ("is", "это"),
    "before": ("before", "до"),
    "after": ("after", "после"),
    "during": ("during", "за"),
}
_BY_NAME = {name: operator for operator, names in _OPERATORS.items() for name in names}
_ME = ("me", "я", "меня", "мне")
_CONTENTS = {
    "image": ("image", "images", "picture", "photo", "картинка", "картинки", "фото"),
    "link": ("link", "links", "ссылка", "ссылки"),
}
_KINDS = {"reply": ("reply", "replies", "ответ", "ответы")}
_PERIODS = {
    "today": ("today", "сегодня"),
    "yesterday": ("yesterday", "вчера"),
    "week": ("week", "неделя", "неделю"),
    "month": ("month", "месяц"),
}
_DAYS = {"today": 1, "week": 7, "month": 30}
_DATE = regex.compile(r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?")
_RUSSIAN_DATE = regex.compile(r"(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})")


class Me(Enum):
    """The person who searches."""

    me = "me"


@dataclass(frozen=True)
class PersonFilter:
    """`person` is an id, a name, or the person who searches."""

    operator: str
    """`from` or `to`."""
    person: int | str | Me
    negated: bool


class Attribute(NamedTuple):
    """Something that a tweet has or is."""

    name: Literal["image", "link", "reply"]
    negated: bool


class Tag(NamedTuple):
    tag: str
    """Folded: equal for all its spellings."""
    negated: bool


class Symbol(NamedTuple):
    """An emoji. PostgreSQL's parser of texts skips them, so they are found in another way."""

    symbol: str
    negated: bool


class Dates(NamedTuple):
    """From the beginning of the day `first` to the end of the day before `end`. None: unlimited."""

    first: date | None
    end: date | None
    negated: bool


@dataclass
class SearchQuery:
    words: str = ""
    """The words and phrases in the syntax of PostgreSQL's `websearch_to_tsquery`."""
    unfinished: str = ""
    """The last word of the query, if it may be the beginning of a longer one."""
    people: list[PersonFilter] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)
    tags: list[Tag] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    dates: list[Dates] = field(default_factory=list)


def parse(query: str, today: date, *, prefix: bool = False) -> SearchQuery:
    """`today` is the date where the reader is. With `prefix`, the last word may be unfinished.

    Raises SearchTooLong, and for a filter that is not understood SearchPersonExpected,
    SearchContentExpected, SearchKindExpected or SearchDateExpected.
    """
    found = SearchQuery()
    words: list[str] = []
    query = query.translate(_QUOTATION_MARKS)
    for count, match in enumerate(_TERM.finditer(query)):
        if count == MAX_TERMS:
            raise SearchTooLong(limit=MAX_TERMS)
        negated = bool(match["minus"])
        operator = _BY_NAME.get((match["name"] or "").casefold())
        if operator is not None:
            _add_filter(found, operator, match["value"].strip('"').strip(), negated, today)
        elif match["tag"] is not None:
            found.tags.append(Tag(plain_text.fold(match["tag"]), negated))
        elif match["phrase"] is not None:
            if _WORD_CHARACTER.search(match["phrase"]):
                words.append(f'{"-" * negated}"{match["phrase"]}"')
        else:
            word = match[0].lstrip("-").replace('"', " ")
            found.symbols += (Symbol(symbol, negated) for symbol in _SYMBOL.findall(word))
            if _WORD_CHARACTER.search(word):
                # In quotes, PostgreSQL parses an address or a time of day as one word.
                quotes = '"' if ":" in word else ""
                words.append(f"{'-' * negated}{quotes}{word}{quotes}")
    if prefix and words and query.endswith(words[-1]) and _PREFIX.fullmatch(words[-1]):
        found.unfinished = words[-1]
    found.words = " ".join(_with_alternatives(words))
    return found


def _with_alternatives(words: Sequence[str]) -> Iterator[str]:
    """An `or` between two words becomes PostgreSQL's operator; any other one is a word."""
    joined = True
    for index, word in enumerate(words):
        if word.casefold() not in _ALTERNATIVES:
            joined = False
            yield word
        elif joined or index == len(words) - 1:
            yield f'"{word}"'
        else:
            joined = True
            yield "or"


def _add_filter(found: SearchQuery, operator: str, value: str, negated: bool, today: date) -> None:
    if operator in ("from", "to"):
        found.people.append(PersonFilter(operator, _person(operator, value), negated))
    elif operator == "has":
        content = _meaning(value, _CONTENTS)
        if content is None:
            raise SearchContentExpected(value=_shortened(value))
        found.attributes.append(Attribute(content, negated))
    elif operator == "is":
        kind = _meaning(value, _KINDS)
        if kind is None:
            raise SearchKindExpected(value=_shortened(value))
        found.attributes.append(Attribute(kind, negated))
    else:
        try:
            first, end = _days(value.casefold(), today)
        except (ValueError, OverflowError) as error:
            raise SearchDateExpected(operator=operator, value=_shortened(value)) from error
        if operator == "before":
            found.dates.append(Dates(None, first, negated))
        elif operator == "after":
            found.dates.append(Dates(end, None, negated))
        else:
            found.dates.append(Dates(first, end, negated))


def _person(operator: str, value: str) -> int | str | Me:
    if value.casefold() in _ME:
        return Me.me
    if value.isascii() and value.isdecimal() and len(value) <= 15:
        return int(value)
    name = value.removeprefix("@").replace("_", " ").strip()
    if not name:
        raise SearchPersonExpected(operator=operator)
    return name


def _meaning(value: str, spellings: Mapping[str, Collection[str]]) -> Any:
    """What a value means; None if it is unknown."""
    folded = value.casefold()
    return next((name for name, known in spellings.items() if folded in known), None)


def _shortened(value: str) -> str:
    return value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"


def _days(value: str, today: date) -> tuple[date, date]:
    """The first day of a period, and the first day after it.

    Raises ValueError or OverflowError if the text is no date.
    """
    day = timedelta(days=1)
    period = _meaning(value, _PERIODS)
    if period == "yesterday":
        return today - day, today
    if period is not None:
        return today - (_DAYS[period] - 1) * day, today + day
    match = _DATE.fullmatch(value) or _RUSSIAN_DATE.fullmatch(value)
    if match is None:
        raise ValueError(value)
    parts = match.groupdict()
    year, month = int(parts["year"]), int(parts["month"] or 1)
    first = date(year, month, int(parts["day"] or 1))
    if parts["day"]:
        return first, first + day
    if parts["month"]:
        return first, date(year + month // 12, month % 12 + 1, 1)
    return first, date(year + 1, 1, 1)
