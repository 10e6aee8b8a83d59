"""Generated histories of a small company, and what its people must read afterwards."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from chassis.events import Event
from services.feed import events

PEOPLE = 4
STEPS = [
    *("rename", "deactivate", "erase", "delete"),
    *["follow"] * 2,
    *["post", "like"] * 3,
]
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Told:
    """One event as it arrives: who told it, under which number."""

    source: str
    number: int
    event: Event


@dataclass
class Company:
    """The plain model: what is true after a history, with no regard to how it is stored."""

    names: dict[int, str] = field(default_factory=dict)
    follows: set[tuple[int, int]] = field(default_factory=set)
    tweets: dict[int, tuple[int, str]] = field(default_factory=dict)
    likes: dict[int, list[int]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    posted: int = 0
    hidden: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)

    def tell(self, source: str, event: Event) -> None:
        self.told.append(Told(source, len(self.told) + 1, event))

    def feed(self, reader: int) -> list[dict[str, Any]]:
        """The reader's feed, recomputed: own and followed people's tweets by likes, then age."""
        seen = [
            tweet_id
            for tweet_id, (author, _) in self.tweets.items()
            if author not in self.hidden and (author == reader or (reader, author) in self.follows)
        ]
        seen.sort(key=lambda tweet_id: (len(self.likes[tweet_id]), tweet_id), reverse=True)
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
            for tweet_id in seen
        ]


@st.composite
def companies(draw: st.DrawFn) -> Company:
    """A company with a history in which each step is one that the services would have allowed."""
    company = Company()
    person = st.integers(1, PEOPLE)
    for user_id in range(1, PEOPLE + 1):
        company.names[user_id] = f"Person {user_id}"
        company.tell("users", events.UserRegistered(user_id=user_id, name=f"Person {user_id}"))
    steps = draw(
        st.lists(
            st.sampled_from(STEPS),
            max_size=25,
        )
    )
    for step in steps:
        user_id = draw(person)
        if step in ("rename", "follow") and user_id in company.hidden:
            continue
        if step == "deactivate":
            _deactivate(company, user_id)
        elif step == "erase":
            erase(company, user_id)
        elif step == "rename":
            name = draw(st.text("аЯz\"\\ '😀", min_size=1, max_size=5))
            company.names[user_id] = name
            company.tell("users", events.UserRenamed(user_id=user_id, name=name))
        elif step == "follow":
            toggle_follow(company, user_id, draw(person))
        elif step == "post":
            post(company, user_id, draw(st.text(min_size=1, max_size=8).filter(_storable)))
        elif company.tweets:
            tweet_id = draw(st.sampled_from(sorted(company.tweets)))
            if step == "like":
                toggle_like(company, tweet_id, user_id)
            else:
                delete(company, tweet_id)
    return company


def _storable(text: str) -> bool:
    return "\0" not in text


def toggle_follow(company: Company, follower_id: int, followed_id: int) -> None:
    if follower_id == followed_id or followed_id in company.hidden:
        return
    edge = {"follower_id": follower_id, "followed_id": followed_id}
    if (follower_id, followed_id) in company.follows:
        company.follows.remove((follower_id, followed_id))
        company.tell("users", events.UserUnfollowed(**edge))
    else:
        company.follows.add((follower_id, followed_id))
        company.tell("users", events.UserFollowed(**edge))


def _deactivate(company: Company, user_id: int) -> None:
    if user_id not in company.hidden:
        company.hidden.add(user_id)
        company.tell("users", events.UserDeactivated(user_id=user_id))


def erase(company: Company, user_id: int) -> None:
    if user_id in company.erased:
        return
    _deactivate(company, user_id)
    company.erased.add(user_id)
    company.names[user_id] = ""
    company.follows = {edge for edge in company.follows if user_id not in edge}
    for tweet_id in [one for one, (author, _) in company.tweets.items() if author == user_id]:
        del company.tweets[tweet_id], company.likes[tweet_id]
    for likes in company.likes.values():
        if user_id in likes:
            likes.remove(user_id)
    company.tell("users", events.UserErased(user_id=user_id))


def post(company: Company, author_id: int, content: str) -> None:
    """An erased person's identity is good for a minute still: what they say is not kept."""
    company.posted += 1
    tweet_id = company.posted
    if author_id not in company.erased:
        company.tweets[tweet_id] = (author_id, content)
        company.likes[tweet_id] = []
    company.tell(
        "tweets",
        events.TweetPosted(
            tweet_id=tweet_id,
            author_id=author_id,
            content=content,
            attachments=[],
            created_at=_START + timedelta(seconds=tweet_id),
        ),
    )


def delete(company: Company, tweet_id: int) -> None:
    del company.tweets[tweet_id], company.likes[tweet_id]
    company.tell("tweets", events.TweetDeleted(tweet_id=tweet_id))


def toggle_like(company: Company, tweet_id: int, user_id: int) -> None:
    likes = company.likes[tweet_id]
    if user_id in company.erased:
        company.tell("tweets", events.TweetLiked(tweet_id=tweet_id, user_id=user_id))
    elif user_id in likes:
        likes.remove(user_id)
        company.tell("tweets", events.TweetUnliked(tweet_id=tweet_id, user_id=user_id))
    else:
        likes.append(user_id)
        company.tell("tweets", events.TweetLiked(tweet_id=tweet_id, user_id=user_id))
