"""Compares the final state of the system with the history of the load.

The checker reads everything through the public API after the fault is over. Events may still be on
their way then, so it repeats the comparison until there are no differences or until
`CALM_SECONDS` have passed. A finding is a sentence; most start with a kind: `lost` (acknowledged
and missing), `appeared` (refused, deleted or erased, and present) or `doubled` (present more than
once). Writes whose outcome is unknown may be present or absent.
"""

import asyncio
import time
from collections import Counter
from typing import Any

from devstack.instance import Instance
from operate import postgres
from tools.api_client import ATTEMPTS, Api, ApiError, Person, api_of
from tools.seed import verify

from .history import Author, History, Mark, Outcome, Tweet
from .load_client import LoadClient

CALM_SECONDS = 360
"""Longer than the longest retry delay of a message (`RETRY_DELAYS` in
chassis/messaging/subscriptions.py), and than the time for which late data of an erased person may
remain (docs/adr/0021)."""
_LOOK_SECONDS = 1.0

_WRONG_GROUPS = """
select *
from (
    select
        recipient_id, kind, group_subject_id as subject_id, day,
        count(*) as shown, max(seq) as newest
    from notifications.notification where shown group by 1, 2, 3, 4
) as rows
full join notifications.notification_group using (recipient_id, kind, subject_id, day)
where shown is distinct from size or newest is distinct from newest_seq
limit 5
"""
_COUNTS = "select id, like_count, reply_count from notifications.tweet where id = any ($1)"


class Checker:
    """Finds differences between a history and the system."""

    def __init__(self, api: Api, load: LoadClient, history: History) -> None:
        self._api = api
        self._load = load
        self._history = history
        self._there: dict[int, dict[str, Any]] = {}
        """The tweets that their authors' profiles show, by id."""

    async def verdict(self, patience: float = CALM_SECONDS) -> list[str]:
        """Returns the findings; an empty list if the system kept its promises.

        Repeats the comparison for up to `patience` seconds while there are findings.
        """
        await self._show_every_upload()
        deadline = time.monotonic() + patience
        while found := await self._find():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(_LOOK_SECONDS)
        return self._history.wrong + found + ([] if found else await self._find_among_pictures())

    async def _show_every_upload(self) -> None:
        """Posts a tweet for each upload without one, because only a tweet shows the picture."""
        for upload in self._history.uploads:
            if upload.taken or upload.owner.erased:
                continue
            tweet = Tweet(
                upload.owner, f"Picture {upload.id} was stored", [upload.id], Outcome.refused
            )
            self._history.tweets[tweet.content] = tweet
            try:
                tweet.id = await self._person(upload.owner).post(
                    tweet.content, tweet.media_ids, f"picture-{upload.id}"
                )
            except ApiError as refusal:
                self._history.wrong.append(f"picture {upload.id} is lost: {refusal}")
            else:
                tweet.posted = Outcome.done
                upload.taken = True

    async def _find(self) -> list[str]:
        found = await self._find_among_tweets()
        found += await self._find_among_follows()
        found += await self._find_among_likes()
        found += await self._find_among_threads()
        found += await self._find_among_searches()
        found = found or await self._find_among_feeds()
        return found or await self._find_among_notifications()

    async def _find_among_tweets(self) -> list[str]:
        found = []
        self._there.clear()
        seen: Counter[str] = Counter()
        for author in self._history.people:
            async for shown in self._person(author).tweets_of(author.id, replies="all"):
                self._there[shown["id"]] = shown
                seen[shown["content"]] += 1
                sent = self._history.tweets.get(shown["content"])
                if sent is None or sent.posted is Outcome.refused:
                    found.append(f"appeared: {shown['content']!r}, which nobody posted")
                elif sent.id not in (None, shown["id"]) or sent.author is not author:
                    found.append(
                        f"wrong: {shown['content']!r} differs from the response to its author"
                    )
                else:
                    sent.paths = shown["attachments"] or sent.paths
        for tweet in self._history.tweets.values():
            count = seen[tweet.content]
            if count > 1:
                found.append(f"doubled: {tweet.content!r} is there {count} times")
            elif tweet.certain and not count:
                found.append(f"lost: {tweet.content!r}, tweet {tweet.id}")
            elif not tweet.possible and count:
                found.append(f"appeared: {tweet.content!r}, refused or deleted")
        return found

    async def _find_among_follows(self) -> list[str]:
        """Compares the follows. Those with an unknown outcome get the state that was found."""
        found = []
        ours = {author.id: author for author in self._history.people}
        for author in self._history.people:
            path = f"/api/users/{author.id}/following"
            users = self._person(author).pages(path, "users")
            followed = {user["id"] async for user in users} & ours.keys()
            for other in self._history.people:
                mark = self._history.follow(author.id, other.id)
                found += _compared(
                    mark, other.id in followed, f"{author.name} follows {other.name}"
                )
        return found

    async def _find_among_likes(self) -> list[str]:
        found = []
        erased = {author.id for author in self._history.erased}
        for tweet_id, tweet in self._there.items():
            likers = [like["user_id"] for like in tweet["likes"]]
            if len(likers) != len(set(likers)) or len(likers) != tweet["like_count"]:
                found.append(f"doubled: likes of tweet {tweet_id}: {likers}")
            if erased & set(likers):
                found.append(f"appeared: likes of an erased person: tweet {tweet_id}: {likers}")
            for author in self._history.people:
                mark = self._history.likes.get((author.id, tweet_id), Mark())
                what = f"{author.name} likes tweet {tweet_id}"
                found += _compared(mark, author.id in likers, what)
        return found

    async def _find_among_threads(self) -> list[str]:
        """Checks that every reply is counted by its parent and can be reached from its root."""
        found = []
        replies = [shown for shown in self._there.values() if shown["reply_to"] is not None]
        counted = Counter(shown["reply_to"] for shown in replies)
        for tweet_id, shown in self._there.items():
            if shown["reply_count"] != counted[tweet_id]:
                found.append(
                    f"wrong: tweet {tweet_id} has {counted[tweet_id]} replies"
                    f" and counts {shown['reply_count']}"
                )
        reader = self._person(self._history.people[0])
        listed: dict[int, Counter[int]] = {}
        for reply in replies:
            root = reply["root_id"]
            if root not in listed:
                try:
                    thread = reader.pages(f"/api/tweets/{root}/thread", "replies")
                    listed[root] = Counter([each["id"] async for each in thread])
                except ApiError as error:
                    listed[root] = Counter()
                    found.append(f"lost: the thread of {root}: {error}")
            if (count := listed[root][reply["id"]]) != 1:
                kind = "doubled" if count else "lost"
                found.append(f"{kind}: reply {reply['id']} is {count} times below {root}")
        return found

    async def _find_among_searches(self) -> list[str]:
        """Checks that the search finds exactly the tweets that exist, by their authors."""
        found = []
        reader = self._person(self._history.people[0])
        for author in (*self._history.people, *self._history.erased):
            tweets = reader.pages("/api/search", "tweets", q=f"from:{author.id}", limit=100)
            searched = [each["id"] async for each in tweets]
            there = {
                tweet_id
                for tweet_id, shown in self._there.items()
                if shown["author"]["id"] == author.id
            }
            if len(searched) != len(set(searched)) or set(searched) != there:
                found.append(f"the search for {author.name} differs by {set(searched) ^ there}")
        return found

    async def _find_among_feeds(self) -> list[str]:
        """Compares each person's feed, and the feed of everyone, with the expected one."""
        found = []
        for author in self._history.people:
            expected = self._expected(author)
            if wrong := await verify.difference(self._person(author), expected):
                found.append(f"feed of {author.name}: {wrong}")
        reader = self._history.people[0]
        ours = {author.id for author in self._history.people}
        everyones = self._person(reader).whole_feed(scope="everyone", order="recent", replies="all")
        shown = [t["id"] async for t in everyones if t["author"]["id"] in ours]
        if sorted(shown) != sorted(self._there):
            found.append(f"everyone's feed differs by {set(shown) ^ self._there.keys()}")
        return found

    def _expected(self, reader: Author) -> list[verify.ExpectedTweet]:
        authors = {reader.id} | {
            other.id
            for other in self._history.people
            if self._history.follow(reader.id, other.id).set
        }
        feed = []
        for tweet_id, shown in self._there.items():
            sent = self._history.tweets[shown["content"]]
            if sent.author.id not in authors or shown["reply_to"] is not None:
                continue
            likers = frozenset(
                person.id
                for person in self._history.people
                if self._history.likes.get((person.id, tweet_id), Mark()).set
            )
            feed.append(
                verify.ExpectedTweet(
                    tweet_id,
                    sent.author.id,
                    sent.author.name,
                    sent.content,
                    len(sent.media_ids),
                    likers,
                )
            )
        return sorted(feed, key=lambda tweet: (-len(tweet.likers), -tweet.id))

    async def _find_among_notifications(self) -> list[str]:
        """Compares notifications and their counts with the tweets, likes and follows that exist."""
        async with postgres.connect(self._api.instance.database()) as connection:
            groups = await connection.fetch(_WRONG_GROUPS)
            counts = await connection.fetch(_COUNTS, list(self._there))
        found = [f"wrong: the group of notifications {dict(row)}" for row in groups]
        for row in counts:
            shown = self._there[row["id"]]
            if (row["like_count"], row["reply_count"]) != (
                shown["like_count"],
                shown["reply_count"],
            ):
                found.append(f"wrong: the counts of notifications: {dict(row)}")
        if missing := self._there.keys() - {row["id"] for row in counts}:
            found.append(f"lost: notifications does not know the tweets {sorted(missing)}")
        for author in self._history.people:
            found += await self._find_among_notifications_of(author)
        return found

    async def _find_among_notifications_of(self, author: Author) -> list[str]:
        person = self._person(author)
        follows = person.pages(f"/api/users/{author.id}/followers", "users")
        expected = Counter({("follow", 0): len([each async for each in follows])})
        for tweet_id, shown in self._there.items():
            sent = self._history.tweets[shown["content"]]
            if sent.author is author:
                likers = {like["user_id"] for like in shown["likes"]} - {author.id}
                expected["like", tweet_id] = len(likers)
            parent_id = shown["reply_to"]
            parent = self._there.get(parent_id)
            if (
                parent is not None
                and sent.author is not author
                and self._history.tweets[parent["content"]].author is author
            ):
                expected["reply", parent_id] += 1
        listed: Counter[tuple[str, int]] = Counter()
        unread = 0
        async for group in person.pages("/api/notifications", "notifications"):
            kind, subject, _ = group["id"].split(":", 2)
            if kind != "reply" or int(subject) in self._there:
                listed[kind, int(subject)] += group[
                    "tweet_count" if kind == "reply" else "people_count"
                ]
            unread += group["unread"]
        found = []
        if listed != expected:
            found.append(
                f"wrong: the notifications of {author.name} lack {dict(expected - listed)}"
                f" and have {dict(listed - expected)} too much"
            )
        badge = await person.done("GET", "/api/notifications/unread")
        if badge["count"] != min(unread, 100):
            found.append(f"wrong: {author.name} has {unread} unread and a badge of {badge}")
        if badge["seen"] < self._history.seen.get(author.id, 0):
            found.append(f"lost: {author.name} has seen more than {badge}")
        return found

    async def _find_among_pictures(self) -> list[str]:
        """Checks that pictures of tweets can be read, and that those of deleted tweets cannot."""
        found = []
        for tweet in self._history.tweets.values():
            if tweet.certain:
                for path in tweet.paths:
                    if not await self._load.picture(path):
                        found.append(f"lost: the picture {path} of {tweet.content!r}")
            elif tweet.deletion is Outcome.done or tweet.author.erased:
                for path in tweet.paths:
                    if not await self._ends(path):
                        found.append(f"appeared: the picture {path} of {tweet.content!r}")
        return found

    async def _ends(self, path: str) -> bool:
        deadline = time.monotonic() + CALM_SECONDS
        while await self._load.picture(path):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    def _person(self, author: Author) -> Person:
        return self._api.person(author.id, author.name, author.key)


def _compared(mark: Mark, there: bool, what: str) -> list[str]:
    if mark.sure and mark.set != there:
        return [f"{'lost' if mark.set else 'appeared'}: {what}"]
    mark.set = there
    return []


async def check(stack: Instance, load: LoadClient, history: History) -> list[str]:
    """Returns the findings after the system has settled."""
    async with api_of(stack, ATTEMPTS) as api:
        return await Checker(api, load, history).verdict()
