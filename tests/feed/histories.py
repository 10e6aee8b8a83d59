"""Generated histories of a few people, and the feeds that they must read afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from chassis.messaging.events import Event
from services.feed import events
from services.feed.events import Entity, ThreadPlace

PEOPLE = 4
MAX_ANCESTORS = 2
"""Fewer than tweets stores, so that short histories have threads that are deeper."""
STEPS = [
    *("rename", "picture", "erase", "delete", "hide"),
    *["deactivate"] * 2,
    *["follow"] * 2,
    *["post", "reply", "like"] * 3,
]
THREAD_STEPS = ["post", *["reply"] * 7, *["delete"] * 4, "erase", "deactivate", "follow", "hide"]
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RecordedEvent:
    """An event with the service that produced it and its number there."""

    source: str
    number: int
    event: Event

    @property
    def occurred_at(self) -> datetime:
        return _START + timedelta(minutes=self.number)


@dataclass
class FeedModel:
    """The state after a history in plain Python, and the events that led to it."""

    names: dict[int, str] = field(default_factory=dict)
    pictures: dict[int, dict[str, str]] = field(default_factory=dict)
    follows: set[tuple[int, int]] = field(default_factory=set)
    tweets: dict[int, tuple[int, str]] = field(default_factory=dict)
    likes: dict[int, list[int]] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)
    posted: int = 0
    hidden: set[int] = field(default_factory=set)
    moderated: set[int] = field(default_factory=set)
    """The tweets that a moderator has hidden, also deleted ones."""
    erased: set[int] = field(default_factory=set)
    places: dict[int, ThreadPlace] = field(default_factory=dict)
    """The place of each reply, also of a deleted one."""
    entities: dict[int, list[Entity]] = field(default_factory=dict)

    def record(self, source: str, event: Event) -> None:
        self.events.append(RecordedEvent(source, len(self.events) + 1, event))

    def feed(self, reader: int) -> list[dict[str, Any]]:
        """Tweets of the reader and of people whom they follow: most likes first, then newest."""
        visible = [
            tweet_id
            for tweet_id in self.tweets
            if tweet_id not in self.places and self._is_shown_to(reader, tweet_id)
        ]
        visible.sort(key=lambda tweet_id: (len(self.likes[tweet_id]), tweet_id), reverse=True)
        return [self.tweet(reader, tweet_id) for tweet_id in visible]

    def _is_shown_to(self, reader: int, tweet_id: int) -> bool:
        author = self.tweets[tweet_id][0]
        follows = author == reader or (reader, author) in self.follows
        return follows and self.is_visible(tweet_id)

    def is_visible(self, tweet_id: int) -> bool:
        return (
            tweet_id in self.tweets
            and tweet_id not in self.moderated
            and self.tweets[tweet_id][0] not in self.hidden
        )

    def tweet(self, reader: int, tweet_id: int) -> dict[str, Any]:
        author, content = self.tweets[tweet_id]
        return {
            "id": tweet_id,
            "content": content,
            "author": self.person(author),
            "likes": [
                {"user_id": liker, "name": self.names[liker]} for liker in self.likes[tweet_id]
            ],
            "like_count": len(self.likes[tweet_id]),
            "liked": reader in self.likes[tweet_id],
            "reply_count": sum(
                place.parent_id == tweet_id and each in self.tweets
                for each, place in self.places.items()
            ),
            "entities": [
                entity.model_dump(exclude_none=True)
                | ({"name": self.names[entity.user_id]} if entity.user_id else {})
                for entity in self.entities[tweet_id]
                if entity.user_id not in self.hidden
            ],
        }

    def person(self, user_id: int) -> dict[str, Any]:
        picture = {"picture": self.pictures[user_id]} if user_id in self.pictures else {}
        return {"id": user_id, "name": self.names[user_id], **picture}

    def thread(self, tweet_id: int) -> tuple[list[int], list[int]]:
        """What is listed above and below a tweet: live tweets, and deleted ones above live ones."""
        above = list(reversed(self._above(tweet_id)))
        below = [
            each
            for each in self.places
            if tweet_id in self._above(each) and self._holds_a_place(each)
        ]
        below.sort(key=lambda each: (not self._continues(each, tweet_id), each))
        return above, below

    def _above(self, tweet_id: int) -> list[int]:
        above = []
        while tweet_id in self.places:
            tweet_id = self.places[tweet_id].parent_id
            above.append(tweet_id)
        return above

    def _holds_a_place(self, tweet_id: int) -> bool:
        return tweet_id in self.tweets or any(
            tweet_id in self._above(each) for each in self.places if each in self.tweets
        )

    def _continues(self, reply_id: int, tweet_id: int) -> bool:
        place = self.places[reply_id]
        return place.self_replies > self._above(reply_id).index(tweet_id)

    def conversations(self, reader: int) -> list[int]:
        """The tweets of a recent feed with conversations, without hashtags that are followed."""
        newest: dict[int, int] = {}
        for each in self.tweets:
            place = self.places.get(each)
            if not self._is_shown_to(reader, each):
                continue
            if place is None:
                newest[each] = max(each, newest.get(each, 0))
            elif place.parent_id in self.tweets and self._is_shown_to(reader, place.parent_id):
                newest[place.root_id] = max(each, newest.get(place.root_id, 0))
        shown = [root for root in newest if self.is_visible(root)]
        return sorted(shown, key=lambda root: newest[root], reverse=True)


@st.composite
def feed_models(draw: st.DrawFn, kinds: Sequence[str] = STEPS, min_steps: int = 0) -> FeedModel:
    """A history of which each step is one that the services would have allowed."""
    model = FeedModel()
    person = st.integers(1, PEOPLE)
    for user_id in range(1, PEOPLE + 1):
        model.names[user_id] = f"Person {user_id}"
        model.record("users", events.UserRegistered(user_id=user_id, name=f"Person {user_id}"))
    steps = draw(
        st.lists(
            st.sampled_from(kinds),
            min_size=min_steps,
            max_size=25,
        )
    )
    for step in steps:
        user_id = draw(person)
        if step in ("rename", "follow") and user_id in model.hidden:
            continue
        if step == "deactivate":
            _toggle_deactivated(model, user_id)
        elif step == "erase":
            erase(model, user_id)
        elif step == "rename":
            name = draw(st.text("аЯz\"\\ '😀", min_size=1, max_size=5))
            model.names[user_id] = name
            model.record("users", events.UserRenamed(user_id=user_id, name=name))
        elif step == "picture":
            change_picture(model, user_id, draw(st.sampled_from(["", "a", "b"])))
        elif step == "follow":
            toggle_follow(model, user_id, draw(person))
        elif step == "post":
            content = draw(st.text(min_size=1, max_size=8).filter(_storable))
            post(model, user_id, content, entities=draw(entities(content)))
        elif model.tweets:
            _act_on(model, draw(st.sampled_from(sorted(model.tweets))), step, user_id)
    return model


def _act_on(model: FeedModel, tweet_id: int, step: str, user_id: int) -> None:
    if step == "like":
        toggle_like(model, tweet_id, user_id)
    elif step == "delete":
        delete(model, tweet_id)
    elif step == "hide":
        toggle_hidden(model, tweet_id)
    elif model.is_visible(tweet_id):
        post(model, user_id, "…", tweet_id)


@st.composite
def entities(draw: st.DrawFn, content: str) -> list[Entity]:
    """A mention or a hashtag, or none, or both."""
    part = {"start": 0, "length": 1, "text": content[0]}
    found = []
    if draw(st.booleans()):
        user_id = draw(st.integers(1, PEOPLE))
        found.append(Entity(type="mention", user_id=user_id, **part))
    if draw(st.booleans()):
        found.append(Entity(type="hashtag", tag=draw(st.sampled_from("ab")), **part))
    return found


def _storable(text: str) -> bool:
    return "\0" not in text


def toggle_follow(model: FeedModel, follower_id: int, followed_id: int) -> None:
    if follower_id == followed_id or followed_id in model.hidden:
        return
    edge = {"follower_id": follower_id, "followed_id": followed_id}
    if (follower_id, followed_id) in model.follows:
        model.follows.remove((follower_id, followed_id))
        model.record("users", events.UserUnfollowed(**edge))
    else:
        model.follows.add((follower_id, followed_id))
        model.record("users", events.UserFollowed(**edge))


def change_picture(model: FeedModel, user_id: int, name: str) -> None:
    """Without a name, the person has no picture any more. That of an erased person is late."""
    paths = {"small": f"/uploads/{name}s", "medium": f"/uploads/{name}m"} if name else None
    if paths and user_id not in model.erased:
        model.pictures[user_id] = paths
    else:
        model.pictures.pop(user_id, None)
    model.record("media", events.PersonPictured(user_id=user_id, picture=paths))


def _deactivate(model: FeedModel, user_id: int) -> None:
    if user_id not in model.hidden:
        model.hidden.add(user_id)
        model.record("users", events.UserDeactivated(user_id=user_id))


def _toggle_deactivated(model: FeedModel, user_id: int) -> None:
    if user_id not in model.hidden:
        _deactivate(model, user_id)
    elif user_id not in model.erased:
        model.hidden.remove(user_id)
        model.record("users", events.UserReactivated(user_id=user_id))


def erase(model: FeedModel, user_id: int) -> None:
    if user_id in model.erased:
        return
    _deactivate(model, user_id)
    model.erased.add(user_id)
    model.names[user_id] = ""
    model.pictures.pop(user_id, None)
    model.follows = {edge for edge in model.follows if user_id not in edge}
    for tweet_id in [one for one, (author, _) in model.tweets.items() if author == user_id]:
        del model.tweets[tweet_id], model.likes[tweet_id]
    for likes in model.likes.values():
        if user_id in likes:
            likes.remove(user_id)
    model.record("users", events.UserErased(user_id=user_id))


def post(
    model: FeedModel,
    author_id: int,
    content: str,
    reply_to: int | None = None,
    entities: Sequence[Entity] = (),
) -> int:
    """Returns the id. An erased person can post for a minute, with an identity signed before. The
    feed drops it."""
    model.posted += 1
    tweet_id = model.posted
    place = None
    if reply_to is not None:
        parent = model.places.get(reply_to)
        above = [reply_to, *(parent.ancestors if parent else [])]
        is_own = model.tweets[reply_to][0] == author_id
        place = model.places[tweet_id] = ThreadPlace(
            parent_id=reply_to,
            root_id=parent.root_id if parent else reply_to,
            depth=parent.depth + 1 if parent else 1,
            ancestors=above[:MAX_ANCESTORS],
            self_replies=(parent.self_replies if parent else 0) + 1 if is_own else 0,
        )
    if author_id not in model.erased:
        model.tweets[tweet_id] = (author_id, content)
        model.likes[tweet_id] = []
        model.entities[tweet_id] = list(entities)
    model.record(
        "tweets",
        events.TweetPosted(
            tweet_id=tweet_id,
            author_id=author_id,
            content=content,
            attachments=[],
            entities=entities,
            thread=place,
            created_at=_START + timedelta(seconds=tweet_id),
        ),
    )
    return tweet_id


def delete(model: FeedModel, tweet_id: int) -> None:
    del model.tweets[tweet_id], model.likes[tweet_id]
    place = model.places.get(tweet_id)
    model.record("tweets", events.TweetDeleted(tweet_id=tweet_id, thread=place))


def toggle_hidden(model: FeedModel, tweet_id: int) -> None:
    if tweet_id in model.moderated:
        model.moderated.remove(tweet_id)
        model.record("tweets", events.TweetRestored(tweet_id=tweet_id))
    else:
        model.moderated.add(tweet_id)
        model.record("tweets", events.TweetHidden(tweet_id=tweet_id))


def toggle_like(model: FeedModel, tweet_id: int, user_id: int) -> None:
    likes = model.likes[tweet_id]
    if user_id in model.erased:
        model.record("tweets", events.TweetLiked(tweet_id=tweet_id, user_id=user_id))
    elif user_id in likes:
        likes.remove(user_id)
        model.record("tweets", events.TweetUnliked(tweet_id=tweet_id, user_id=user_id))
    else:
        likes.append(user_id)
        model.record("tweets", events.TweetLiked(tweet_id=tweet_id, user_id=user_id))
