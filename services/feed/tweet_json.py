"""The JSON of a tweet: every place that writes or searches it takes the text from here.

A tweet in a response is one JSON object with three parts:

    {"id":31,"content":…,"media":[…],"reply_to":null,…     the card: rendered once, by `render_card`
    ,"reply_count":2,"author":{"id":7,"name":"Ann"},"likes":[…]  `expand`: `tweet_head`, `like_json`
    ,"like_count":1,"liked":false}                         LIKE_COUNT, LIKED and NOT_LIKED

The card is the same for every reader and never changes, so it is stored as text in `tweet.card`.
Names, pictures of people, counts and likes do change, so PostgreSQL appends them to the card when a
tweet is read. A text that mentions people shows their present names, so its entities are stored
beside the card. No read builds a tweet as a Python object. `queries` writes whole pages in this
way, for one reader;
`fragments` reads a `CardJson`, which all readers share, and `CardJson.render_for` completes it for
one of them. Both must give the same bytes; tests/feed/test_page_cache.py compares them. Lists that
contain replies also say to whom they reply: see `in_reply_to_json`. `api.TweetView` documents the
members for the OpenAPI document.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .events import Entity, Picture, TweetPosted

LIKE_COUNT = '],"like_count":'
"""Ends the list of likes, and begins the count."""
LIKED = ',"liked":true}'
NOT_LIKED = ',"liked":false}'

_LIKED, _NOT_LIKED = LIKED.encode(), NOT_LIKED.encode()
_PERSON = re.compile(rb'id":(\d+),"name":')


# Each macro is a name, and the SQL expression for which it stands with the argument as \1.
_MACROS = (
    (
        "tweet_head",
        r"""'{' || \1.card || case when \1.entities is null then '' else entities_json(\1) end
        || ',"reply_count":' || \1.reply_count
        || ',"author":' || person_json(\1.author_id) || ',"likes":['""",
    ),
    (
        "entities_json",
        r"""(
            select ',"entities":[' || coalesce(string_agg(
                entity.json || case
                    when entity.user_id is null then ''
                    else ',"name":' || name_json(entity.user_id) || '}'
                end,
                ',' order by entity.place
            ), '') || ']'
            from unnest(\1.entities, \1.mentioned) with ordinality as entity (json, user_id, place)
            where not exists (select from person where person.id = entity.user_id and hidden)
        )""",
    ),
    (
        "in_reply_to_json",
        r"""(case when \1.parent_id is null then '' else
            ',"in_reply_to":{"id":' || \1.parent_id || ',"author":' || coalesce((
                select person_json(parent.author_id) from tweet as parent
                where parent.id = \1.parent_id and parent.visible and not exists (
                    select from person where person.id = parent.author_id and hidden
                )
            ), 'null') || '}'
        end)""",
    ),
    (
        "person_json",
        r"""'{"id":' || \1 || coalesce((
            select ',"name":' || to_json(name)::text || coalesce(',"picture":' || picture, '')
            from person where id = \1
        ), ',"name":""') || '}'""",
    ),
    ("like_json", r"""'{"user_id":' || \1 || ',"name":' || name_json(\1) || '}'"""),
    ("name_json", r"""coalesce((select to_json(name) from person where id = \1)::text, '""')"""),
)


def expand(statement: str) -> str:
    """Replaces the macros in an SQL statement by the expressions for which they stand.

    - `tweet_head(tweet)`: of a row of `tweet`, everything up to the first like
    - `in_reply_to_json(tweet)`: for a reply, a member with the tweet above it and its author
    - `entities_json(tweet)`: the member `entities` of a tweet that mentions people
    - `person_json(user_id)`, `like_json(user_id)`: a person, with the picture if there is one, and
      a like as JSON objects
    - `name_json(user_id)`: a person's name as a JSON string; empty if the name is unknown

    PostgreSQL looks up each name in a subquery. With a join of a few people, its planner may decide
    to read the whole table of names.
    """
    for name, expression in _MACROS:
        statement = re.sub(rf"\b{name}\(([\w.]+)\)", expression, statement)
    return statement


class Card(NamedTuple):
    """The columns of `tweet` that contain its JSON."""

    card: str
    """The members of the JSON object that never change, without braces."""
    entities: list[str] | None
    """None if the card contains the entities: then no person's name stands in them."""
    mentioned: list[int | None] | None


def render_card(event: TweetPosted) -> Card:
    """The parts of the tweet's JSON that are the same for every reader."""
    created_at = event.created_at.isoformat().replace("+00:00", "Z")
    media = event.media
    if media is None:
        media = [Picture(url=path, thumbnail=path) for path in event.attachments]
    members = {
        "id": event.tweet_id,
        "content": event.content,
        "attachments": event.attachments,
        "created_at": created_at,
        "stamp": created_at,
        "media": [_media_json(picture) for picture in media],
        "reply_to": event.thread.parent_id if event.thread else None,
        "root_id": event.thread.root_id if event.thread else event.tweet_id,
    }
    mentioned = [entity.user_id for entity in event.entities]
    if any(mentioned):
        return Card(_json(members)[1:-1], list(map(_entity_json, event.entities)), mentioned)
    members["entities"] = [entity.model_dump(exclude_none=True) for entity in event.entities]
    return Card(_json(members)[1:-1], None, None)


def _entity_json(entity: Entity) -> str:
    """Without the closing brace for a mention: the name is appended when the tweet is read."""
    text = _json(entity.model_dump(exclude_none=True))
    return text if entity.user_id is None else text[:-1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _media_json(picture: Picture) -> dict[str, Any]:
    members = picture.model_dump()
    # Cards that were stored before pictures had colours lack the member, so a rebuild must not add
    # it to them.
    if members["colour"] is None:
        del members["colour"]
    return members


@dataclass(frozen=True, slots=True)
class CardJson:
    """A tweet as JSON for all readers, with the offsets at which a reader's own like is inserted.

    It lists the earliest likes only, `queries.MAX_LISTED_LIKES` at most. But a reader's own like is
    always listed: if it came too late, it takes the place of the last one.
    """

    tweet_id: int
    body: bytes
    """The JSON for a reader who does not like the tweet."""
    last_like_offset: int
    """The offset of the comma before the last like. It is used only if the list is full."""
    likes_end_offset: int
    """The offset of the end of the list of likes."""
    likers: frozenset[int]
    """The people whose likes are listed."""

    @classmethod
    def build(
        cls,
        tweet_id: int,
        head: bytes,
        likes: bytes,
        last_like: bytes,
        like_count: int,
        likers: frozenset[int],
    ) -> "CardJson":
        """`head` is a value of the macro `tweet_head`. `last_like` is the last of `likes`; empty if
        the list is not full."""
        tail = f"{LIKE_COUNT}{like_count}{NOT_LIKED}".encode()
        return cls(
            tweet_id=tweet_id,
            body=head + likes + tail,
            last_like_offset=len(head) + len(likes) - len(last_like) - 1,
            likes_end_offset=len(head) + len(likes),
            likers=likers,
        )

    def render_for(self, reader_id: int, own_like: bytes | None) -> bytes:
        """The JSON for this reader. `own_like` is the reader's like, which is needed only if the
        reader is not among `likers`."""
        if reader_id in self.likers:
            return self.body[: -len(_NOT_LIKED)] + _LIKED
        if own_like is None:
            return self.body
        like_count = self.body[self.likes_end_offset : -len(_NOT_LIKED)]
        return b"%b,%b%b%b" % (self.body[: self.last_like_offset], own_like, like_count, _LIKED)


# The two searches below find a person as author or as liker. The text of a tweet cannot
# match, because JSON escapes its quotation marks.


def shows_person(body: bytes, user_id: int) -> bool:
    """Whether the JSON contains this person's name."""
    return b'id":%d,"name":' % user_id in body


def people_shown(body: bytes) -> Iterator[int]:
    """The ids of all people whose names the JSON contains, with repetitions."""
    return map(int, _PERSON.findall(body))
