"""Generated histories of a few people, and the tables that they must lead to in any order."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from chassis.messaging.events import Event
from services.notifications import events
from services.notifications.events import Entity, ThreadPlace

PEOPLE = 4
STEPS = [
    *("rename", "picture", "erase", "key", "session", "tag", "newcomer", "report"),
    *["deactivate", "announce", "remind", "hide"] * 2,
    *["delete"] * 2,
    *["follow"] * 2,
    *["post"] * 3,
    *["reply", "like"] * 4,
]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PRIORITY = ("mention", "reply", "thread", "watch")

Row = tuple[Any, ...]


@dataclass(frozen=True)
class RecordedEvent:
    """An event with the service that produced it, its number there, and its time."""

    source: str
    number: int
    event: Event
    occurred_at: datetime


class PostedTweet(NamedTuple):
    author: int
    parent: int | None
    root: int | None
    mentioned: Sequence[int]
    version: int
    occurred_at: datetime


class Act(NamedTuple):
    """A like or a follow: the latest event about it."""

    active: bool
    version: int
    occurred_at: datetime


@dataclass
class Model:
    """The state after a history in plain Python, and the events that led to it.

    `thread_followers` and `watchers` are what people have chosen before the history began: the
    followers of a thread by its root, the watchers by the person whom they watch.
    """

    begins_at: datetime = LONG_AGO
    thread_followers: dict[int, set[int]] = field(default_factory=dict)
    watchers: dict[int, set[int]] = field(default_factory=dict)
    names: dict[int, tuple[str, int]] = field(default_factory=dict)
    pictures: dict[int, tuple[str | None, int]] = field(default_factory=dict)
    """The latest picture of each person, as JSON, with its version."""
    follows: dict[tuple[int, int], Act] = field(default_factory=dict)
    tag_follows: dict[int, Act] = field(default_factory=dict)
    tweets: dict[int, PostedTweet] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    likes: dict[tuple[int, int], Act] = field(default_factory=dict)
    security: list[tuple[int, int, Act]] = field(default_factory=list)
    hidden: dict[int, int] = field(default_factory=dict)
    """The deactivated and erased people, with the versions of the events that hid them."""
    returned: dict[int, int] = field(default_factory=dict)
    """The people who were brought back, some of whom have left again, with the latest version."""
    registered: dict[int, datetime] = field(default_factory=dict)
    announcements: dict[int, Act] = field(default_factory=dict)
    reminders: dict[tuple[int, int], Act] = field(default_factory=dict)
    """The last one of each tweet and person."""
    moderated: set[int] = field(default_factory=set)
    """The tweets that are hidden by a moderator."""
    hidings: dict[int, Act] = field(default_factory=dict)
    """The last one of each tweet; the tweet may have been restored."""
    decisions: list[tuple[str, int, int, Act]] = field(default_factory=list)
    """What moderators decided: the family, the recipient, and the subject of the group."""
    erased: set[int] = field(default_factory=set)
    events: list[RecordedEvent] = field(default_factory=list)

    def record(self, source: str, event: Event, *, active: bool = True) -> Act:
        number = len(self.events) + 1
        occurred_at = self.begins_at + timedelta(hours=5 * number)
        self.events.append(RecordedEvent(source, number, event, occurred_at))
        return Act(active, number, occurred_at)

    def register(self, user_id: int, name: str = "…") -> None:
        act = self.record("users", events.UserRegistered(user_id=user_id, name=name))
        self.names[user_id] = (name, act.version)
        self.registered[user_id] = act.occurred_at

    def announce(self, tweet_id: int) -> None:
        author_id = self.tweets[tweet_id].author
        event = events.AnnouncementPosted(tweet_id=tweet_id, author_id=author_id)
        self.announcements[tweet_id] = self.record("tweets", event)

    def remind(self, tweet_id: int, user_ids: Sequence[int]) -> None:
        event = events.AnnouncementReminded(
            tweet_id=tweet_id, author_id=self.tweets[tweet_id].author, user_ids=list(user_ids)
        )
        act = self.record("tweets", event)
        self.reminders |= {(tweet_id, user_id): act for user_id in user_ids}

    def toggle_hidden(self, tweet_id: int) -> None:
        author_id = self.tweets[tweet_id].author
        if tweet_id in self.moderated:
            self.moderated.remove(tweet_id)
            event: Event = events.TweetRestored(tweet_id=tweet_id, author_id=author_id)
            self.decisions.append(("restored", author_id, tweet_id, self.record("tweets", event)))
            return
        self.moderated.add(tweet_id)
        event = events.TweetHidden(tweet_id=tweet_id, author_id=author_id, reason="spam")
        self.hidings[tweet_id] = act = self.record("tweets", event)
        self.decisions.append(("hidden", author_id, tweet_id, act))

    def close_report(self, user_id: int) -> None:
        report_id = len(self.events)
        event = events.ReportClosed(report_id=report_id, reporter_id=user_id)
        self.decisions.append(("report", user_id, -report_id, self.record("tweets", event)))

    def rename(self, user_id: int, name: str) -> None:
        act = self.record("users", events.UserRenamed(user_id=user_id, name=name))
        self.names[user_id] = (name, act.version)

    def change_picture(self, user_id: int, name: str) -> None:
        """Without a name, the person has no picture any more."""
        paths = {"small": f"/uploads/{name}s", "medium": f"/uploads/{name}m"} if name else None
        event = events.PersonPictured(user_id=user_id, picture=paths)
        act = self.record("media", event)
        stored = event.picture.model_dump_json() if event.picture else None
        self.pictures[user_id] = (stored, act.version)

    def deactivate(self, user_id: int) -> None:
        act = self.record("users", events.UserDeactivated(user_id=user_id))
        self.hidden[user_id] = act.version

    def reactivate(self, user_id: int) -> None:
        act = self.record("users", events.UserReactivated(user_id=user_id))
        del self.hidden[user_id]
        self.returned[user_id] = act.version

    def erase(self, user_id: int) -> None:
        self.erased.add(user_id)
        act = self.record("users", events.UserErased(user_id=user_id))
        self.hidden[user_id] = act.version
        self.names[user_id] = ("", act.version)

    def toggle_follow(self, follower: int, followed: int) -> None:
        edge = {"follower_id": follower, "followed_id": followed}
        if (before := self.follows.get((follower, followed))) and before.active:
            act = self.record("users", events.UserUnfollowed(**edge), active=False)
        else:
            act = self.record("users", events.UserFollowed(**edge))
        self.follows[follower, followed] = act

    def toggle_tag(self, user_id: int) -> None:
        if (before := self.tag_follows.get(user_id)) and before.active:
            event: Event = events.TagUnfollowed(user_id=user_id, tag="a")
            self.tag_follows[user_id] = self.record("tweets", event, active=False)
        else:
            event = events.TagFollowed(user_id=user_id, tag="a")
            self.tag_follows[user_id] = self.record("tweets", event)

    def create_key(self, user_id: int) -> None:
        key_id = len(self.events)
        event = events.KeyCreated(user_id=user_id, key_id=key_id)
        self.security.append((user_id, key_id, self.record("users", event)))

    def create_session(self, user_id: int) -> None:
        session_id = len(self.events)
        event = events.SessionCreated(user_id=user_id, session_id=session_id)
        self.security.append((user_id, -session_id, self.record("users", event)))

    def post(
        self, author: int, reply_to: int | None = None, mentioned: Sequence[int] = (), tag: str = ""
    ) -> int:
        """Returns the id of the tweet."""
        tweet_id = len(self.tweets) + 1
        thread = None
        if reply_to is not None:
            root = self.tweets[reply_to].root or reply_to
            thread = ThreadPlace(parent_id=reply_to, root_id=root)
        entities = [Entity(user_id=user_id) for user_id in mentioned]
        if tag:
            entities.append(Entity(tag=tag))
        event = events.TweetPosted(
            tweet_id=tweet_id, author_id=author, entities=entities, thread=thread
        )
        act = self.record("tweets", event)
        self.tweets[tweet_id] = PostedTweet(
            author,
            reply_to,
            thread.root_id if thread else None,
            mentioned,
            act.version,
            act.occurred_at,
        )
        return tweet_id

    def delete(self, tweet_id: int) -> None:
        tweet = self.tweets[tweet_id]
        thread = None
        if tweet.parent is not None and tweet.root is not None:
            thread = ThreadPlace(parent_id=tweet.parent, root_id=tweet.root)
        event = events.TweetDeleted(tweet_id=tweet_id, author_id=tweet.author, thread=thread)
        self.record("tweets", event)
        self.deleted.add(tweet_id)

    def toggle_like(self, tweet_id: int, user_id: int) -> None:
        like = {"tweet_id": tweet_id, "user_id": user_id}
        if (before := self.likes.get((tweet_id, user_id))) and before.active:
            act = self.record("tweets", events.TweetUnliked(**like), active=False)
        else:
            act = self.record("tweets", events.TweetLiked(**like))
        self.likes[tweet_id, user_id] = act

    def is_live(self, tweet_id: int) -> bool:
        return tweet_id not in self.deleted and self.tweets[tweet_id].author not in self.erased

    def tables(self) -> dict[str, set[Row]]:
        """The rows that events determine, without the columns that depend on their order."""
        notifications = set(self._notifications())
        sizes = Counter(
            (recipient, kind, group_subject, occurred_at.date())
            for _, _, recipient, _, kind, group_subject, _, _, shown, _, occurred_at in (
                notifications
            )
            if shown
        )
        return {
            "person": {
                (
                    *(user_id, name, version, user_id in self.hidden),
                    *(self._hidden_version(user_id), self.registered[user_id]),
                    *self._picture(user_id),
                )
                for user_id, (name, version) in self.names.items()
            },
            "follow": {
                (*edge, act.active, act.version)
                for edge, act in self.follows.items()
                if self.erased.isdisjoint(edge)
            },
            "tag_follow": {
                (user_id, "a", act.active, act.version)
                for user_id, act in self.tag_follows.items()
                if user_id not in self.erased
            },
            "tweet": set(self._tweets()),
            "announcement": {
                (tweet_id, self.tweets[tweet_id].author, act.version, act.occurred_at)
                for tweet_id, act in self.announcements.items()
                if self.tweets[tweet_id].author not in self.erased
            },
            "notification": notifications,
            "notification_group": {(*group, size) for group, size in sizes.items()},
            "erasure": {(user_id,) for user_id in self.erased},
            "tweet_to_clear": set(),
            "person_to_hide": set(),
            "person_to_show": set(),
        }

    def _picture(self, user_id: int) -> tuple[str | None, int]:
        return (None, 0) if user_id in self.erased else self.pictures.get(user_id, (None, 0))

    def _hidden_version(self, user_id: int) -> int:
        return self.hidden.get(user_id) or self.returned.get(user_id, 0)

    def _tweets(self) -> Iterator[Row]:
        for tweet_id, tweet in self.tweets.items():
            is_live = self.is_live(tweet_id)
            likes = sum(
                act.active
                for (liked, user_id), act in self.likes.items()
                if is_live and liked == tweet_id and user_id not in self.erased
            )
            replies = sum(
                reply.parent == tweet_id and self.is_live(reply_id)
                for reply_id, reply in self.tweets.items()
            )
            author = None if tweet.author in self.erased else tweet.author
            hiding = self.hidings.get(tweet_id)
            yield (
                *(tweet_id, author, tweet.parent, tweet.root, likes, replies, not is_live),
                *(("spam", hiding.version) if hiding else (None, 0)),
            )

    def _notifications(self) -> Iterator[Row]:
        for tweet_id, tweet in self.tweets.items():
            if not self.is_live(tweet_id):
                continue
            root, actor = tweet.root or tweet_id, tweet.author
            for recipient in {*range(1, PEOPLE + 1)} - self.erased - {actor}:
                if (kind := self._kind(tweet, recipient)) is None:
                    continue
                group_subject = {
                    "mention": tweet_id, "reply": tweet.parent, "thread": root, "watch": actor
                }[kind]  # fmt: skip
                yield (
                    *("tweet", tweet_id, recipient, actor, kind, group_subject, root, True),
                    *(actor not in self.hidden, tweet.version, tweet.occurred_at),
                )
        for (tweet_id, actor), act in self.likes.items():
            if self.is_live(tweet_id) and actor not in self.erased:
                tweet = self.tweets[tweet_id]
                shown = act.active and actor != tweet.author and actor not in self.hidden
                yield (
                    *("like", tweet_id, tweet.author, actor, "like", tweet_id),
                    *(tweet.root or tweet_id, act.active, shown, act.version, act.occurred_at),
                )
        for (follower, followed), act in self.follows.items():
            if self.erased.isdisjoint((follower, followed)):
                yield (
                    *("follow", 0, followed, follower, "follow", 0, None, act.active),
                    *(act.active and follower not in self.hidden, act.version, act.occurred_at),
                )
        yield from self._announcements()
        for family, user_id, group_subject, act in self.decisions:
            if user_id not in self.erased:
                yield (
                    *(family, act.version, user_id, 0, "moderation", group_subject, None),
                    *(True, True, act.version, act.occurred_at),
                )
        for user_id, subject, act in self.security:
            if user_id not in self.erased:
                yield (
                    *("security", subject, user_id, 0, "security", subject, None, True, True),
                    *(act.version, act.occurred_at),
                )

    def _announcements(self) -> Iterator[Row]:
        for tweet_id, announced in self.announcements.items():
            author = self.tweets[tweet_id].author
            if not self.is_live(tweet_id):
                continue
            for user_id in self.registered.keys() - self.erased - {author}:
                act = self.reminders.get((tweet_id, user_id))
                if act is None and self.registered[user_id] <= announced.occurred_at:
                    act = announced
                if act is not None:
                    yield (
                        *("announcement", tweet_id, user_id, author, "announcement", tweet_id),
                        *(None, True, author not in self.hidden, act.version, act.occurred_at),
                    )

    def _kind(self, tweet: PostedTweet, recipient: int) -> str | None:
        """As what the tweet notifies the person."""
        applies = {
            "mention": recipient in tweet.mentioned,
            "reply": tweet.parent is not None and self.tweets[tweet.parent].author == recipient,
            "thread": tweet.root is not None
            and recipient in self.thread_followers.get(tweet.root, ()),
            "watch": recipient in self.watchers.get(tweet.author, ()),
        }
        return next((kind for kind in PRIORITY if applies[kind]), None)


@st.composite
def models(draw: st.DrawFn, min_steps: int = 0) -> Model:
    """A history of which each step is one that the services would have allowed."""
    person = st.integers(1, PEOPLE)
    people = st.sets(person, max_size=2)
    recent = datetime.now(UTC).replace(microsecond=0) - timedelta(days=6)
    model = Model(
        begins_at=draw(st.sampled_from((LONG_AGO, recent))),
        thread_followers={root: draw(people) for root in (1, 2)},
        watchers={watched: draw(people) - {watched} for watched in range(1, PEOPLE + 1)},
    )
    for user_id in range(1, PEOPLE + 1):
        model.register(user_id)
    for step in draw(st.lists(st.sampled_from(STEPS), min_size=min_steps, max_size=25)):
        user_id = draw(person)
        live = [tweet_id for tweet_id in model.tweets if model.is_live(tweet_id)]
        if step in ("reply", "like", "delete", "announce", "remind", "hide"):
            if live:
                tweet_id = draw(st.sampled_from(live))
                _act_on(model, tweet_id, step, user_id, sorted(draw(people)))
        elif step == "post":
            model.post(user_id, mentioned=sorted(draw(people)))
        elif step == "follow":
            if (followed := draw(person)) != user_id:
                model.toggle_follow(user_id, followed)
        elif step == "picture":
            model.change_picture(user_id, draw(st.sampled_from(["", "a", "b"])))
        elif step in ("rename", "deactivate", "erase"):
            _change(model, step, user_id, draw(st.text("аЯz\"\\ '😀", min_size=1, max_size=5)))
        else:
            SIMPLE_STEPS[step](model, user_id)
    return model


SIMPLE_STEPS: dict[str, Callable[[Model, int], None]] = {
    "newcomer": lambda model, _: model.register(len(model.registered) + 1),
    "report": Model.close_report,
    "key": Model.create_key,
    "session": Model.create_session,
    "tag": Model.toggle_tag,
}


def _act_on(model: Model, tweet_id: int, step: str, user_id: int, mentioned: Sequence[int]) -> None:
    if step == "reply":
        model.post(user_id, tweet_id, mentioned)
    elif step == "like":
        model.toggle_like(tweet_id, user_id)
    elif step == "announce":
        if tweet_id not in model.announcements:
            model.announce(tweet_id)
    elif step == "remind":
        if tweet_id in model.announcements:
            model.remind(tweet_id, sorted({*mentioned} - {model.tweets[tweet_id].author}))
    elif step == "hide":
        model.toggle_hidden(tweet_id)
    else:
        model.delete(tweet_id)


def _change(model: Model, step: str, user_id: int, name: str) -> None:
    if step == "erase":
        if user_id not in model.erased:
            model.erase(user_id)
    elif user_id in model.hidden:
        if step == "deactivate" and user_id not in model.erased:
            model.reactivate(user_id)
    elif step == "deactivate":
        model.deactivate(user_id)
    else:
        model.rename(user_id, name)
