"""Generated histories of a few people, and the feeds that they must read afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from chassis.messaging.events import Event
from services.feed import events

PEOPLE = 4
STEPS = [
    *("rename", "deactivate", "erase", "delete"),
    *["follow"] * 2,
    *["post", "like"] * 3,
]
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class RecordedEvent:
    """An event with the service that produced it and its number there."""

    source: str
    number: int
    event: Event


@dataclass
class FeedModel:
    """The state after a history in plain Python, and the events that led to it."""

    names: dict[int, str] = field(default_factory=dict)
    follows: set[tuple[int, int]] = field(default_factory=set)
    tweets: dict[int, tuple[int, str]] = field(default_factory=dict)
    likes: dict[int, list[int]] = field(default_factory=dict)
    events: list[RecordedEvent] = field(default_factory=list)
    posted: int = 0
    hidden: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)

    def record(self, source: str, event: Event) -> None:
        self.events.append(RecordedEvent(source, len(self.events) + 1, event))

    def feed(self, reader: int) -> list[dict[str, Any]]:
        """Tweets of the reader and of people whom they follow: most likes first, then newest."""
        visible = [
            tweet_id
            for tweet_id, (author, _) in self.tweets.items()
            if author not in self.hidden and (author == reader or (reader, author) in self.follows)
        ]
        visible.sort(key=lambda tweet_id: (len(self.likes[tweet_id]), tweet_id), reverse=True)
        return [
            {
                "id": tweet_id,
                "content": self.tweets[tweet_id][1],
                "author": {
                    "id": self.tweets[tweet_id][0],
                    "name": self.names[self.tweets[tweet_id][0]],
                },
                "likes": [
                    {"user_id": liker, "name": self.names[liker]} for liker in self.likes[tweet_id]
                ],
                "like_count": len(self.likes[tweet_id]),
                "liked": reader in self.likes[tweet_id],
            }
            for tweet_id in visible
        ]


@st.composite
def feed_models(draw: st.DrawFn) -> FeedModel:
    """A history of which each step is one that the services would have allowed."""
    model = FeedModel()
    person = st.integers(1, PEOPLE)
    for user_id in range(1, PEOPLE + 1):
        model.names[user_id] = f"Person {user_id}"
        model.record("users", events.UserRegistered(user_id=user_id, name=f"Person {user_id}"))
    steps = draw(
        st.lists(
            st.sampled_from(STEPS),
            max_size=25,
        )
    )
    for step in steps:
        user_id = draw(person)
        if step in ("rename", "follow") and user_id in model.hidden:
            continue
        if step == "deactivate":
            _deactivate(model, user_id)
        elif step == "erase":
            erase(model, user_id)
        elif step == "rename":
            name = draw(st.text("аЯz\"\\ '😀", min_size=1, max_size=5))
            model.names[user_id] = name
            model.record("users", events.UserRenamed(user_id=user_id, name=name))
        elif step == "follow":
            toggle_follow(model, user_id, draw(person))
        elif step == "post":
            post(model, user_id, draw(st.text(min_size=1, max_size=8).filter(_storable)))
        elif model.tweets:
            tweet_id = draw(st.sampled_from(sorted(model.tweets)))
            if step == "like":
                toggle_like(model, tweet_id, user_id)
            else:
                delete(model, tweet_id)
    return model


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


def _deactivate(model: FeedModel, user_id: int) -> None:
    if user_id not in model.hidden:
        model.hidden.add(user_id)
        model.record("users", events.UserDeactivated(user_id=user_id))


def erase(model: FeedModel, user_id: int) -> None:
    if user_id in model.erased:
        return
    _deactivate(model, user_id)
    model.erased.add(user_id)
    model.names[user_id] = ""
    model.follows = {edge for edge in model.follows if user_id not in edge}
    for tweet_id in [one for one, (author, _) in model.tweets.items() if author == user_id]:
        del model.tweets[tweet_id], model.likes[tweet_id]
    for likes in model.likes.values():
        if user_id in likes:
            likes.remove(user_id)
    model.record("users", events.UserErased(user_id=user_id))


def post(model: FeedModel, author_id: int, content: str) -> None:
    """An erased person can post for a minute, with an identity signed before. The feed drops it."""
    model.posted += 1
    tweet_id = model.posted
    if author_id not in model.erased:
        model.tweets[tweet_id] = (author_id, content)
        model.likes[tweet_id] = []
    model.record(
        "tweets",
        events.TweetPosted(
            tweet_id=tweet_id,
            author_id=author_id,
            content=content,
            attachments=[],
            created_at=_START + timedelta(seconds=tweet_id),
        ),
    )


def delete(model: FeedModel, tweet_id: int) -> None:
    del model.tweets[tweet_id], model.likes[tweet_id]
    model.record("tweets", events.TweetDeleted(tweet_id=tweet_id))


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
