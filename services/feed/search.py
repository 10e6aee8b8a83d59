"""Searches tweets: turns a query into PostgreSQL's form, and finds a page of tweets.

A search reads two things. First the newest WINDOW tweets, from the newest one on, until the page is
full: a common word fills it after a few rows. If these do not suffice, the index of words (GIN)
gives all older matches: it is fast for words that are rare. Each way alone is slow for the other
kind of word, and PostgreSQL's planner, which does not know how far back the matches are, often
chooses the wrong one. Therefore it is given no choice: the index is read in a subquery with
`offset 0`, which keeps the order of ids out of it.

`order=popular` sorts the newest POPULAR_MATCHES matches by likes. No order sorts all matches, so
the cost does not grow with their number.

Words are given to `websearch_to_tsquery`, which accepts any text. Words that are in nearly every
text, such as "the" or "и", are left out, unless the query consists of nothing else.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from chassis.database.pool import Pool
from chassis.http import paging

from .errors import SearchEmpty, SearchPersonAmbiguous, SearchPersonUnknown
from .periods import Periods
from .queries import cursor_json, tweets_by_id
from .search_query import Dates, Me, PersonFilter, SearchQuery
from .selections import Order, decode_cursor

WINDOW = 10_000
POPULAR_MATCHES = 1_000
MAX_NAMESAKES = 20
MAX_NAMED = 200
"""How many people whose names contain the parts of a name are looked at."""
MAX_SHOWN_NAME = 40


# $1 the words, $2 the unfinished word, in its search form, or an empty string.
_WORDS = """
select (case when numnode(words) > 0 then words else every_word end)::text as words,
    numnode(words) = 0 and numnode(every_word) > 0 as only_common,
    querytree(case when numnode(words) > 0 then words else every_word end) not in ('', 'T')
        as is_selective
from (
    select
        websearch_to_tsquery('pg_catalog.russian', search_text($1)) as words,
        websearch_to_tsquery('extensions.words', search_text($1)) as every_word
) as parsed
"""
_UNFINISHED = """
select (
    websearch_to_tsquery('extensions.words', search_text($1))
    || (quote_literal(lower(search_text($1))) || ':*')::tsquery
)::text as words
"""
# $1 the query, $2 and $3 the range of ids, $4 and $5 the ranges that are excluded, $6 the limit.
_NOT_EXCLUDED = """
not exists (
    select from unnest($4::bigint[], $5::bigint[]) as excluded (first, behind)
    where tweet_id >= first and tweet_id < behind
)
"""
_MAY_BE_SHOWN = """
exists (
    select from tweet where tweet.id = tweet_id and visible
    and not exists (select from person where person.id = tweet.author_id and hidden)
)
"""
_IN_RANGE = "tweet_id >= $2 and tweet_id < $3"
_WINDOW = """
select tweet_id, words from tweet_words where {in_range} order by tweet_id desc limit {window}
"""
_NEWEST = f"""
select tweet_id from ({_WINDOW.format(in_range=_IN_RANGE, window=WINDOW)}) as newest
where words @@ $1::text::tsquery and {_NOT_EXCLUDED} and {_MAY_BE_SHOWN}
order by tweet_id desc limit $6
"""  # noqa: S608  only constants are inserted
# The first `offset 0` keeps the planner from reading all tweets by their ids. The second one sorts
# the matches before it is looked up whether they may be shown: of the many matches of a common
# word, only those of the page are.
_OLDER = f"""
select tweet_id from (
    select tweet_id from (
        select tweet_id from tweet_words where words @@ $1::text::tsquery offset 0
    ) as matches
    where {_IN_RANGE} and {_NOT_EXCLUDED}
    order by tweet_id desc offset 0
) as newest
where {_MAY_BE_SHOWN}
order by tweet_id desc limit $6
"""  # noqa: S608  only constants are inserted
# $1 and $2 the range of ids, $3 the size of the window.
_WINDOW_END = """
select tweet_id from tweet_words where tweet_id >= $1 and tweet_id < $2
order by tweet_id desc offset $3 - 1 limit 1
"""
# $1 the ids of the matches, $2 and $3 the sort key behind which the page begins, $4 the limit.
_MOST_LIKED = """
select id as tweet_id, like_count from tweet
where id = any($1::bigint[]) and (like_count, id) < ($2::int, $3::bigint)
order by like_count desc, id desc limit $4
"""
_NAMED = """
select id, name from person
where not hidden and name <> '' and searchable_name(name) like all ($1::text[])
order by id limit $2
"""
_START_MARK, _STOP_MARK = "\x01", "\x02"
# $1 the ids of the tweets, $2 the words.
_MARKED = """
select id, ts_headline(
    'extensions.words', search_text(tweet_content(card)), $2::text::tsquery,
    E'HighlightAll=true, StartSel="\\x01", StopSel="\\x02"'
) as content
from tweet where id = any($1::bigint[]) and visible
"""
_SYMBOLS = """
select id, tweet_content(card) as content from tweet where id = any($1::bigint[]) and visible
"""


class Person(NamedTuple):
    id: int
    name: str


class Choice(NamedTuple):
    """A name in the query that several people have. The search finds the tweets of all of them."""

    operator: str
    value: str
    people: list[Person]


class _Words(NamedTuple):
    query: str
    """In the syntax of `tsquery`; empty if there are none."""
    is_selective: bool
    """Whether some word must be there: false if all are excluded."""
    only_common: bool
    """Whether all are words that nearly every text has."""


@dataclass(frozen=True)
class Prepared:
    """A query, as PostgreSQL needs it."""

    match: str
    """What a row of `tweet_words` must match, in the syntax of `tsquery`."""
    is_selective: bool
    """False if the query only excludes: then nearly all tweets match, and the index is no help."""
    words: str
    """The words alone, for the highlights; empty if there are none."""
    symbols: Sequence[str]
    first_id: int
    end_id: int
    excluded: Sequence[tuple[int, int]]
    """Ranges of ids, each with the first id and the one behind its last one."""
    choices: Sequence[Choice]
    only_common_words: bool


@dataclass(frozen=True)
class Page:
    tweets: Sequence[bytes]
    """JSON objects, each with its highlights."""
    next_cursor: bytes
    """As JSON."""


class Search:
    def __init__(self, connections: Pool, periods: Periods) -> None:
        self._connections = connections
        self._periods = periods

    async def prepare(self, query: SearchQuery, reader_id: int, time_zone: ZoneInfo) -> Prepared:
        """Raises SearchEmpty, SearchPersonUnknown and SearchPersonAmbiguous."""
        choices: list[Choice] = []
        lexemes = [
            *(
                (f"{'is' if name == 'reply' else 'has'} {name}", negated)
                for name, negated in query.attributes
            ),
            *((f"tag {tag}", negated) for tag, negated in query.tags),
            *((f"symbol {symbol}", negated) for symbol, negated in query.symbols),
        ]
        filters = [([lexeme], negated) for lexeme, negated in lexemes]
        for person in query.people:
            people = await self._people(person, reader_id)
            if len(people) > 1:
                choices.append(Choice(person.operator, str(person.person), people))
            filters.append(([f"{person.operator} {each.id}" for each in people], person.negated))
        words = await self._words(query)
        parts = [f"({words.query})"] if words.query else []
        parts += (_any_of(each, negated) for each, negated in filters)
        if not parts and not query.dates:
            raise SearchEmpty
        first_id, end_id, excluded = await self._range(query.dates, time_zone)
        return Prepared(
            match=" & ".join(parts) if parts else "!'none'",
            is_selective=words.is_selective or not all(negated for _, negated in filters),
            words=words.query,
            symbols=[each.symbol for each in query.symbols if not each.negated],
            first_id=first_id,
            end_id=end_id,
            excluded=excluded,
            choices=choices,
            only_common_words=words.only_common,
        )

    async def _words(self, query: SearchQuery) -> _Words:
        finished, unfinished = query.words, query.unfinished
        before = finished.removesuffix(unfinished).rstrip()
        if before.split(" ")[-1] == "or":
            # The two words of an alternative are parsed together.
            unfinished = ""
        if unfinished:
            finished = before
        parts = []
        is_selective = only_common = False
        if finished:
            (row,) = await self._connections.fetch(_WORDS, finished)
            is_selective, only_common = row["is_selective"], row["only_common"]
            if row["words"]:
                parts.append(f"({row['words']})")
        if unfinished:
            (row,) = await self._connections.fetch(_UNFINISHED, unfinished)
            is_selective, only_common = True, False
            parts.append(f"({row['words']})")
        return _Words(" & ".join(parts), is_selective, only_common)

    async def _people(self, wanted: PersonFilter, reader_id: int) -> list[Person]:
        if isinstance(wanted.person, Me):
            return [Person(reader_id, "")]
        if isinstance(wanted.person, int):
            return [Person(wanted.person, "")]
        name = _searchable(wanted.person)
        patterns = [f"%{_escaped(word)}%" for word in name.split()]
        rows = await self._connections.fetch(_NAMED, patterns, MAX_NAMED)
        people = [Person(row["id"], row["name"]) for row in rows]
        same = [person for person in people if _searchable(person.name) == name]
        similar = [person for person in people if _has_words(person.name, name)]
        found = same or similar
        if not found:
            raise SearchPersonUnknown(name=wanted.person[:MAX_SHOWN_NAME])
        if len(found) > MAX_NAMESAKES:
            raise SearchPersonAmbiguous(wanted.person[:MAX_SHOWN_NAME], MAX_NAMESAKES)
        return found

    async def _range(
        self, dates: Iterable[Dates], time_zone: ZoneInfo
    ) -> tuple[int, int, list[tuple[int, int]]]:
        """The first id, the id behind the last one, and the ranges of ids that are excluded."""
        first_id, end_id, excluded = 0, paging.MAX_ID, []
        for each in dates:
            first = 0 if each.first is None else await self._first_id(each.first, time_zone)
            end = paging.MAX_ID
            if each.end is not None:
                end = await self._first_id(each.end, time_zone)
            if each.negated:
                excluded.append((first, end))
            else:
                first_id, end_id = max(first_id, first), min(end_id, end)
        return first_id, end_id, excluded

    async def _first_id(self, day: date, time_zone: ZoneInfo) -> int:
        return await self._periods.first_id_from(datetime.combine(day, time(), time_zone))

    async def page(
        self, prepared: Prepared, reader_id: int, order: Order, cursor: str | None, limit: int
    ) -> Page:
        """Raises InvalidRequest for an invalid cursor."""
        like_count, behind = decode_cursor(cursor)
        if order is Order.popular:
            matches = await self._matches(prepared, paging.MAX_ID, POPULAR_MATCHES)
            rows = await self._connections.fetch(_MOST_LIKED, matches, like_count, behind, limit)
            keys = [(row["like_count"], row["tweet_id"]) for row in rows]
        else:
            keys = [(0, match) for match in await self._matches(prepared, behind, limit)]
        ids = [tweet_id for _, tweet_id in keys]
        tweets = await tweets_by_id(self._connections, reader_id, ids, with_parents=True)
        highlights = await self._highlights(prepared, ids)
        return Page(
            [
                b'%b,"highlights":[%b]}' % (tweets[tweet_id][:-1], highlights.get(tweet_id, b""))
                for tweet_id in ids
                if tweet_id in tweets
            ],
            cursor_json(keys[-1] if len(keys) == limit else None),
        )

    async def _matches(self, prepared: Prepared, behind: int, limit: int) -> list[int]:
        """The newest matches behind this id."""
        first, end = prepared.first_id, min(prepared.end_id, behind)
        excluded = [
            [start for start, _ in prepared.excluded],
            [stop for _, stop in prepared.excluded],
        ]
        rows = await self._connections.fetch(_NEWEST, prepared.match, first, end, *excluded, limit)
        found = [row["tweet_id"] for row in rows]
        if len(found) < limit and prepared.is_selective:
            ends = await self._connections.fetch(_WINDOW_END, first, end, WINDOW)
            if ends:
                rows = await self._connections.fetch(
                    _OLDER,
                    prepared.match,
                    first,
                    ends[0]["tweet_id"],
                    *excluded,
                    limit - len(found),
                )
                found += [row["tweet_id"] for row in rows]
        return found

    async def _highlights(self, prepared: Prepared, ids: Sequence[int]) -> dict[int, bytes]:
        """For each tweet, the parts of its text that match, as JSON objects."""
        if not ids or not (prepared.words or prepared.symbols):
            return {}
        if prepared.words:
            rows = await self._connections.fetch(_MARKED, ids, prepared.words)
        else:
            rows = await self._connections.fetch(_SYMBOLS, ids)
        return {row["id"]: _ranges_json(row["content"], prepared.symbols) for row in rows}


def _searchable(name: str) -> str:
    """As the SQL function `searchable_name`, with single spaces."""
    return " ".join(name.lower().replace("ё", "е").split())


def _has_words(name: str, wanted: str) -> bool:
    """Whether each wanted word begins a word of the name."""
    words = re.split(r"\W+", _searchable(name))
    return all(
        any(word.startswith(part) for word in words) for part in re.split(r"\W+", wanted) if part
    )


def _escaped(text: str) -> str:
    """The text for `like`, without wildcards."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _any_of(lexemes: Iterable[str], negated: bool) -> str:
    """A `tsquery` that matches rows with one of the lexemes."""
    quoted = " | ".join(
        "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes
    )
    return f"!({quoted})" if negated else f"({quoted})"


def _ranges_json(marked: str, symbols: Sequence[str]) -> bytes:
    """The marked parts of a text, and the symbols in it, as JSON objects in the order of the text.

    `start` and `length` count code points.
    """
    ranges: list[tuple[int, int]] = []
    start, position = None, 0
    content = []
    for character in marked:
        if character == _START_MARK:
            start = position
        elif character == _STOP_MARK:
            if start is not None and position > start:
                ranges.append((start, position - start))
            start = None
        else:
            content.append(character)
            position += 1
    ranges += ((place, 1) for place, character in enumerate(content) if character in symbols)
    return b",".join(
        b'{"start":%d,"length":%d}' % (start, length) for start, length in sorted(ranges)
    )
