"""Finds the entities of a text: the parts that a page shows as links.

An entity is a web address, a hashtag or a mention of a person. It is stored beside the text and not
in it, so a client that knows no entities still shows what the author wrote. `start` and `length`
count code points of the stored text, and `text` repeats that part literally: a client that counts
otherwise sees that the parts differ, and shows no link.

*Addresses* are found by linkify-it, at `http:` and `https:` only: a bare `main.py` or `report.md`
would be an address too. *Hashtags* contain letters, marks, digits and `_`, at least one letter, and
no more than 64 characters. Hashtags with the same `fold` are the same tag: `#Ёлка` and `#елка`.
*Mentions* are either given by the client, or found here: `@` and the full name of one person.
The names are in the table `person`, a copy of those in users, filled by `handlers`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import regex
from linkify_it import LinkifyIt
from pydantic import BaseModel, Field

from chassis import plain_text
from chassis.database.session import AnySession, fetch_read_only
from chassis.http.paging import MAX_ID

from .errors import MentionNotAccepted, TagNotAccepted, TooManyMentions
from .events import Entity

MAX_MENTIONED_PEOPLE = 10
MAX_TAG_LENGTH = 64
"""In grapheme clusters: characters as a person counts them."""
MAX_NAME_WORDS = 12
"""A name of more words is not found in a text: a client must give the mention. Parts at hyphens and
apostrophes count as words."""
MAX_NAMESAKES = 10
"""How many people of one name an ambiguous mention lists."""
_MAX_SEARCHED_MENTIONS = 50

_linkify = LinkifyIt()
_SCHEME = regex.compile(r"(?<![A-Za-z0-9_])https?:", regex.IGNORECASE)
_NO_PART_OF_AN_ADDRESS = regex.compile(
    r"[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff[\p{P}--[\x00-\x7f]]]", regex.V1
)
"""Word separators, directional marks, and punctuation beyond ASCII, such as `»` and `。`."""
_TAG = regex.compile(r"(?<![\p{L}\p{M}\p{N}_/)&#])#([\p{L}\p{M}\p{N}_]+)")
_LETTER = regex.compile(r"\p{L}")
_GRAPHEME_CLUSTER = regex.compile(r"\X")
_AT = regex.compile(r"(?<![\p{L}\p{M}\p{N}_@/.])@(?=\S)")
_NAME_END = regex.compile(r"(?<=\S)(?:(?<![\p{L}\p{M}\p{N}_])|(?![\p{L}\p{M}\p{N}_]))")
"""Where a name may end: behind any character that is not a space and that no word continues."""

_FIND_PEOPLE = """
select wanted.folded, found.id, found.name
from unnest($1::text[]) as wanted (folded)
cross join lateral (
    select id, name from person where person.folded = wanted.folded and active order by id limit $2
) as found
"""
_ACTIVE_PEOPLE = "select id from person where id = any($1::bigint[]) and active"


class Mention(BaseModel):
    """A mention of a person: the part of the text from `@` to the end of the name."""

    user_id: int = Field(ge=1, le=MAX_ID)
    start: int = Field(ge=0, le=MAX_ID, description="The place of the `@`, in code points.")
    length: int = Field(ge=2, le=MAX_ID, description="In code points, with the `@`.")


class Namesake(BaseModel):
    id: int
    name: str


class AmbiguousMention(BaseModel):
    """A name that several people have. The tweet mentions none of them."""

    start: int
    length: int
    text: str
    people: list[Namesake]


class Found(NamedTuple):
    entities: list[Entity]
    """In the order of the text, without overlaps."""
    ambiguous: list[AmbiguousMention]


async def find(session: AnySession, content: str, given: Sequence[Mention] | None) -> Found:
    """The entities of a text. `given` are the mentions of the client; None if it gives none.

    Raises MentionNotAccepted and TooManyMentions.
    """
    links = list(_links(content))
    ambiguous: list[AmbiguousMention] = []
    if given is not None:
        mentions = await _given_mentions(session, content, given)
    elif "@" in content:
        mentions, ambiguous = await _find_mentions(session, content, links)
    else:
        mentions = []
    tags = _outside(_tags(content), [*links, *mentions])
    # A link that a given mention overlaps is left out: the author has decided what this part is.
    entities = [*mentions, *_outside(links, mentions), *tags]
    return Found(sorted(entities, key=lambda entity: entity.start), ambiguous)


def _links(content: str) -> Iterator[Entity]:
    if "://" not in content:
        return
    searched = _NO_PART_OF_AN_ADDRESS.sub(" ", content)
    end = 0
    for scheme in _SCHEME.finditer(searched):
        if scheme.start() < end:
            continue
        length = _linkify.test_schema_at(searched, scheme[0].lower(), scheme.end())
        url = content[scheme.start() : scheme.end() + length]
        if length and _is_safe(url):
            end = scheme.start() + len(url)
            yield _entity("link", content, scheme.start(), len(url), url=url)


def _is_safe(url: str) -> bool:
    """False for an address with credentials, which make it look like one of another host:
    `https://bank.example@a.example`."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        return False


def _tags(content: str) -> Iterator[Entity]:
    for match in _TAG.finditer(content):
        tag = match[1]
        if not _LETTER.search(tag):
            continue
        if len(tag) > MAX_TAG_LENGTH and len(_GRAPHEME_CLUSTER.findall(tag)) > MAX_TAG_LENGTH:
            continue
        yield _entity("hashtag", content, match.start(), len(match[0]), tag=plain_text.fold(tag))


def fold_tag(text: str) -> str:
    """The folded tag of a hashtag with or without its `#`. Raises TagNotAccepted."""
    hashtag = "#" + plain_text.clean(text).removeprefix("#")
    for entity in _tags(hashtag):
        if entity.text == hashtag and entity.tag:
            return entity.tag
    raise TagNotAccepted


async def _given_mentions(
    session: AnySession, content: str, given: Sequence[Mention]
) -> list[Entity]:
    if len({mention.user_id for mention in given}) > MAX_MENTIONED_PEOPLE:
        raise TooManyMentions(limit=MAX_MENTIONED_PEOPLE)
    mentions: list[Entity] = []
    end = 0
    for mention in sorted(given, key=lambda mention: mention.start):
        start, length = mention.start, mention.length
        is_inside = end <= start and start + length <= len(content)
        if not is_inside or content[start] != "@":
            raise MentionNotAccepted
        end = start + length
        mentions.append(_entity("mention", content, start, length, user_id=mention.user_id))
    wanted = {mention.user_id for mention in given}
    if wanted:
        active = await fetch_read_only(session, _ACTIVE_PEOPLE, list(wanted))
        if len(active) < len(wanted):
            raise MentionNotAccepted
    return mentions


async def _find_mentions(
    session: AnySession, content: str, links: Sequence[Entity]
) -> tuple[list[Entity], list[AmbiguousMention]]:
    """For each `@`, the longest full name of an active person that follows it."""
    candidates: list[tuple[int, list[tuple[int, str]]]] = []
    for at in _AT.finditer(content):
        if len(candidates) < _MAX_SEARCHED_MENTIONS and not _overlaps(at.start(), 1, links):
            candidates.append((at.start(), list(_names(content, at.end()))))
    people: dict[str, list[Namesake]] = {}
    wanted = {folded for _, ends in candidates for _, folded in ends}
    for row in (
        await fetch_read_only(session, _FIND_PEOPLE, list(wanted), MAX_NAMESAKES) if wanted else ()
    ):
        people.setdefault(row["folded"], []).append(Namesake(id=row["id"], name=row["name"]))
    mentions: list[Entity] = []
    ambiguous: list[AmbiguousMention] = []
    mentioned: set[int] = set()
    previous_end = 0
    for start, names in candidates:
        end, namesakes = next(
            ((end, people[name]) for end, name in reversed(names) if name in people), (0, [])
        )
        if start < previous_end or not namesakes:
            continue
        previous_end = end
        if len(namesakes) > 1:
            text = content[start:end]
            ambiguous.append(
                AmbiguousMention(start=start, length=end - start, text=text, people=namesakes)
            )
        elif len(mentioned | {namesakes[0].id}) <= MAX_MENTIONED_PEOPLE:
            mentioned.add(namesakes[0].id)
            entity = _entity("mention", content, start, end - start, user_id=namesakes[0].id)
            mentions.append(entity)
    return mentions, ambiguous


def _names(content: str, start: int) -> Iterator[tuple[int, str]]:
    """The parts of the line that begin here and may be a name: where each ends, and its fold."""
    folded = ""
    previous_end = start
    for end in islice(_NAME_END.finditer(content, start), MAX_NAME_WORDS):
        part = content[previous_end : end.start()]
        if "\n" in part:
            return
        folded += plain_text.fold(part)
        previous_end = end.start()
        yield previous_end, folded


def _entity(kind: str, content: str, start: int, length: int, **target: Any) -> Entity:
    text = content[start : start + length]
    return Entity.model_validate(
        {"type": kind, "start": start, "length": length, "text": text, **target}
    )


def _outside(
    entities: Sequence[Entity] | Iterator[Entity], others: Sequence[Entity]
) -> list[Entity]:
    return [entity for entity in entities if not _overlaps(entity.start, entity.length, others)]


def _overlaps(start: int, length: int, others: Sequence[Entity]) -> bool:
    return any(
        other.start < start + length and start < other.start + other.length for other in others
    )
