"""The shapes of responses that contain tweets. `tweet_json` writes the responses; these classes are
for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

TWEET_EXAMPLE: Any = {
    "id": 31,
    "content": "Готово: the new office is open!",
    "attachments": ["/uploads/Zk3vX1pQ9sYtB0aWcR7uLg.jpg"],
    "author": {"id": 7, "name": "Анна Ким"},
    "likes": [{"user_id": 3, "name": "Boris Gray"}],
    "created_at": "2026-11-23T09:30:00.123456Z",
    "stamp": "2026-11-23T09:30:00.123456Z",
    "media": [
        {
            "url": "/uploads/Zk3vX1pQ9sYtB0aWcR7uLg.jpg",
            "thumbnail": "/uploads/mB8nT2wE5rXcK7dJ0vHqYg.webp",
            "width": 1280,
            "height": 960,
            "colour": "#8a7f6d",
            "alt": "The new office, from the street",
        }
    ],
    "reply_to": None,
    "root_id": 31,
    "entities": [],
    "reply_count": 2,
    "like_count": 1,
    "liked": False,
}


class PictureView(BaseModel):
    """The URL paths of a person's picture: squares with sides of 48 and 128 pixels at most."""

    small: str
    medium: str


class AuthorView(BaseModel):
    id: int
    name: str
    picture: PictureView | None = Field(None, description="Missing if the person has none.")


class LikeView(BaseModel):
    user_id: int
    name: str


class MediaView(BaseModel):
    """An attachment. `width` and `height` are null for old uploads, whose size was not stored."""

    url: str
    thumbnail: str
    """A small WebP of the picture, at most 48 kB. For an animation it shows the first frame."""
    width: int | None
    height: int | None
    colour: str | None = Field(
        None,
        description="The average colour, as `#rrggbb`, to be shown until the picture is loaded."
        " Missing for old pictures and for those with transparent parts.",
    )
    alt: str


class EntityView(BaseModel):
    """A part of the text that a page shows as a link. `start` and `length` count code points."""

    type: Literal["mention", "hashtag", "link"]
    start: int
    length: int
    text: str
    """The part of the text itself. If a client finds another text there, it shows no link."""
    user_id: int | None = None
    name: str | None = None
    """The present name of the mentioned person."""
    tag: str | None = None
    """The hashtag for the parameter `tag`: equal for all its spellings."""
    url: str | None = None


class ConversationView(BaseModel):
    """Why a feed with `replies=conversations` shows a tweet: the newest replies in its thread by
    people whom you follow, to people whom you follow."""

    reply_count: int
    person_count: int
    latest_reply_id: int
    people: list[AuthorView]
    """Those who replied last, three at most."""


class ParentView(BaseModel):
    id: int
    author: AuthorView | None
    """Null if the tweet is deleted or its author has left."""


class TweetView(BaseModel):
    # For the OpenAPI document only: `tweet_json` writes the responses.
    id: int
    content: str
    attachments: list[str]
    author: AuthorView
    likes: list[LikeView]
    created_at: datetime
    stamp: datetime
    media: list[MediaView]
    reply_to: int | None
    """The tweet to which this one replies."""
    root_id: int
    """The tweet with which the thread begins; its own id if it is not a reply."""
    entities: list[EntityView]
    reply_count: int
    like_count: int
    liked: bool
    conversation: ConversationView | None = None
    followed_tag: str | None = None
    """A hashtag that you follow, and because of which the feed shows the tweet."""
    in_reply_to: ParentView | None = None
    """Only in lists that contain replies."""


class TombstoneView(BaseModel):
    """The place of a tweet that is deleted or hidden, or whose author has left, in a thread."""

    id: int
    reply_to: int | None
    root_id: int
    tombstone: Literal["deleted", "hidden"]
    hidden_by: Literal["moderator"] | None = None
    """Missing if the tweet is hidden because its author has left."""


class SingleTweet(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"result": True, "tweet": TWEET_EXAMPLE}]}
    )

    result: Literal[True] = True
    tweet: TweetView


class ThreadResponse(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "ancestors": [
                        {"id": 28, "reply_to": None, "root_id": 28, "tombstone": "deleted"}
                    ],
                    "omitted_ancestors": 0,
                    "tweet": {**TWEET_EXAMPLE, "reply_to": 28, "root_id": 28},
                    "replies": [],
                    "previous_cursor": None,
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    ancestors: list[TweetView | TombstoneView]
    """The tweets above it, from the first one down: the root and the nearest ones."""
    omitted_ancestors: int
    """How many tweets between the root and the next ancestor are left out. To read them, request
    the thread of that ancestor."""
    tweet: TweetView | TombstoneView
    replies: list[TweetView | TombstoneView]
    """The replies below it, also those to replies: the author's own continuation first, then the
    oldest first."""
    previous_cursor: str | None
    next_cursor: str | None


class LikerPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "users": [{"id": 3, "name": "Boris Gray"}],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    users: list[AuthorView]
    next_cursor: str | None


class TweetPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "tweets": [TWEET_EXAMPLE],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    tweets: list[TweetView]
    next_cursor: str | None
