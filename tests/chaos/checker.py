"""Compares the final state of the system with the history of the load.

The checker reads everything through the public API after the fault is over. Events may still be on
their way then, so it repeats the comparison until there are no differences or until
`CALM_SECONDS` have passed. A finding is a sentence; most start with a kind: `lost` (acknowledged
and missing), `appeared` (refused, deleted or erased, and present) or `doubled` (present more than
once). Writes whose outcome is unknown may be present or absent.

First, nobody may see what is hidden, and deactivated people must have no access. Then the checker
restores the tweets and brings back the people, and everything must be there again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from devstack.instance import Instance
from operate import postgres
from tools.api_client import ATTEMPTS, Api, ApiError, Person, api_of
from tools.seed import verify

from .history import Author, History, Mark, Outcome, Tweet
from .load_client import LoadClient

CALM_SECONDS = 360
"""Longer than the longest retry delay of a message (`RETRY_DELAYS` in
chassis/messaging/retries.py), and than the time for which late data of an erased person may
remain (docs/adr/0021)."""
_LOOK_SECONDS = 0.5

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
_DECISIONS = """
select group_subject_id as tweet_id, count(*) as notices from notifications.notification
where kind = 'moderation' and shown and group_subject_id = any ($1) group by 1
"""
_UNCOMPARED = ("moderation", "security")
"""Kinds of notifications that the comparison of the lists leaves out: `_DECISIONS` counts the first
exactly, and who gets a key is told of it."""
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
        found = await _settled(self._find_what_is_to_be_hidden, patience)
        await self._restore_tweets()
        await self._bring_back_people()
        await self._show_every_upload()
        found += await _settled(self._find, patience)
        return self._history.wrong + found + ([] if found else await self._find_among_pictures())

    async def _restore_tweets(self) -> None:
        """Restores what the moderator has hidden, and what the moderator may have hidden."""
        for tweet in self._history.tweets.values():
            if self._history.moderator is None or (tweet.hidden.sure and not tweet.hidden.set):
                continue
            try:
                path = f"/api/tweets/{tweet.id}/hidden"
                await self._person(self._history.moderator).done("DELETE", path)
            except ApiError as error:
                # It may have been deleted. If it has not, the comparison reports it as lost.
                if error.status != 404:
                    raise
            if tweet.decisions is not None:
                tweet.decisions += 1
            tweet.hidden = Mark()

    async def _bring_back_people(self) -> None:
        administrator = self._api.administrator
        for author in list(self._history.away):
            path = f"/api/users/{author.id}"
            await administrator.done("POST", f"{path}/reactivation")
            made = await administrator.done("POST", f"{path}/keys", json={})
            self._history.bring_back(author, made["api_key"])

    async def _find_what_is_to_be_hidden(self) -> list[str]:
        """Checks that deactivated people have no access, and that nobody sees their tweets, nor
        those that the moderator has hidden."""
        away = self._history.away
        hidden = {
            tweet.id or 0: tweet
            for tweet in self._history.tweets.values()
            if tweet.exists and (tweet.author.away or (tweet.hidden.sure and tweet.hidden.set))
        }
        if not hidden and not away:
            return []
        found = [
            f"appeared: {author.name}, who was deactivated, can call {path}"
            for author in away
            for path in ("/api/users/me", "/api/tweets?limit=1")
            if (await self._person(author).ask("GET", path)).status_code != 401
        ]
        for where, tweet_ids in (await self._everywhere()).items():
            found += [
                f"appeared: {hidden[tweet_id].content!r}, which is hidden, in {where}"
                for tweet_id in tweet_ids & hidden.keys()
            ]
        for tweet_id, tweet in hidden.items():
            found += await self._find_in_place_of(tweet_id, tweet)
        return found

    async def _everywhere(self) -> dict[str, set[int]]:
        """The tweets that the lists show, by a description of each list."""
        reader = self._person(self._history.people[0])
        lists = {
            "the feed of everyone": reader.whole_feed(
                scope="everyone", order="recent", replies="all"
            ),
            "the list of the tag": reader.whole_feed(tag=self._history.tag, order="recent"),
        }
        for author in (*self._history.people, *self._history.away):
            name, query = author.name, f"from:{author.id}"
            lists[f"the search for {name}"] = reader.pages("/api/search", "tweets", q=query)
            lists[f"the profile of {name}"] = reader.tweets_of(author.id, replies="all")
            if not author.away:
                lists[f"the feed of {name}"] = self._person(author).whole_feed()
        return {where: {tweet["id"] async for tweet in tweets} for where, tweets in lists.items()}

    async def _find_in_place_of(self, tweet_id: int, tweet: Tweet) -> list[str]:
        """Checks that a hidden tweet itself cannot be read, and that its thread has a tombstone."""
        reader = self._person(self._history.people[0])
        error = "AuthorLeft" if tweet.author.away else "TweetHidden"
        tombstone = ("hidden", "moderator" if tweet.hidden.set else None)
        answer = await reader.ask("GET", f"/api/tweets/{tweet_id}")
        found = []
        if answer.json().get("error_type") != error:
            found.append(f"appeared: {tweet.content!r}, which is hidden: {answer.text[:200]}")
        if tweet.parent is not None:
            thread = reader.pages(f"/api/tweets/{tweet.parent.id}/thread", "replies")
            try:
                shown = [each async for each in thread if each["id"] == tweet_id]
            except ApiError as failure:
                return [*found, f"lost: the thread of {tweet.parent.id}: {failure}"]
            tombstones = [(each.get("tombstone"), each.get("hidden_by")) for each in shown]
            if tweet.hidden.sure and tombstones != [tombstone]:
                found.append(f"wrong: the thread shows {tombstones} for {tweet.content!r}")
        return found

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
        found += await self._find_among_tags()
        found += await self._find_among_pins()
        found += await self._find_among_announcements()
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

    async def _find_among_tags(self) -> list[str]:
        """Checks that the list of the load's tag has exactly its tweets, each once."""
        reader = self._person(self._history.people[0])
        listed = [
            tweet["id"] async for tweet in reader.whole_feed(tag=self._history.tag, order="recent")
        ]
        tagged = {
            tweet_id
            for tweet_id, shown in self._there.items()
            if f"#{self._history.tag}" in shown["content"]
        }
        if len(listed) != len(set(listed)) or set(listed) != tagged:
            return [f"wrong: the list of the tag differs by {set(listed) ^ tagged}"]
        return []

    async def _find_among_pins(self) -> list[str]:
        found = []
        reader = self._person(self._history.people[0])
        for author in self._history.people:
            pins = (await reader.done("GET", f"/api/users/{author.id}/pins"))["tweet_ids"]
            if len(pins) != len(set(pins)) or not self._there.keys() >= set(pins):
                found.append(f"wrong: the pins of {author.name} are {pins}")
            for tweet_id, shown in self._there.items():
                tweet = self._history.tweets.get(shown["content"])
                if tweet is not None and tweet.author is author:
                    what = f"{author.name} pins tweet {tweet_id}"
                    found += _compared(tweet.pinned, tweet_id in pins, what)
        return found

    def _announcements(self) -> dict[int, Tweet]:
        """Those that are there, by id."""
        ids = {shown["content"]: tweet_id for tweet_id, shown in self._there.items()}
        return {ids[t.content]: t for t in self._history.announcements if t.content in ids}

    async def _find_among_announcements(self) -> list[str]:
        """Checks that everybody has each announcement once, and who has confirmed it."""
        found = []
        announcements = self._announcements()
        confirmed: dict[int, list[int]] = {}
        for tweet_id, tweet in announcements.items():
            path = f"/api/announcements/{tweet_id}/acknowledgements"
            people = self._person(tweet.author).pages(path, "people", state="done")
            try:
                confirmed[tweet_id] = [each["id"] async for each in people]
            except ApiError as error:
                confirmed[tweet_id] = []
                found.append(f"lost: who confirmed {tweet_id}: {error}")
            if len(confirmed[tweet_id]) != len(set(confirmed[tweet_id])):
                found.append(f"doubled: who confirmed {tweet_id}: {confirmed[tweet_id]}")
        for author in self._history.people if announcements else []:
            body = await self._person(author).done("GET", "/api/announcements")
            shown = [view for view in body["announcements"] if view["tweet_id"] in announcements]
            counts = Counter(view["tweet_id"] for view in shown)
            for tweet_id in announcements:
                if (count := counts[tweet_id]) != 1:
                    kind = "doubled" if count else "lost"
                    found.append(f"{kind}: announcement {tweet_id} is {count} times in the list")
                mark = self._history.confirmation(author.id, tweet_id)
                what = f"{author.name} has confirmed {tweet_id}"
                found += _compared(mark, author.id in confirmed[tweet_id], what)
            found += [
                f"wrong: {author.name} reads the opposite of having confirmed {view['tweet_id']}"
                for view in shown
                if view["acknowledged"] != (author.id in confirmed[view["tweet_id"]])
            ]
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
            decisions = await connection.fetch(_DECISIONS, list(self._there))
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
        notices = {row["tweet_id"]: row["notices"] for row in decisions}
        for tweet_id, shown in self._there.items():
            tweet = self._history.tweets[shown["content"]]
            if tweet.decisions not in (None, notices.get(tweet_id, 0)):
                found.append(
                    f"wrong: {tweet.author.name} was notified {notices.get(tweet_id, 0)} times"
                    f" that {tweet_id} was hidden or restored, and not {tweet.decisions} times"
                )
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
        for tweet_id, tweet in self._announcements().items():
            if tweet.author is not author:
                expected["announcement", tweet_id] = 1
        listed: Counter[tuple[str, int]] = Counter()
        unread = 0
        async for group in person.pages("/api/notifications", "notifications"):
            kind, subject, _ = group["id"].split(":", 2)
            if kind in ("follow", "like") or (
                kind not in _UNCOMPARED and int(subject) in self._there
            ):
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


async def _settled(find: Callable[[], Awaitable[list[str]]], patience: float) -> list[str]:
    """What is still found after so many seconds."""
    deadline = time.monotonic() + patience
    while found := await find():
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(_LOOK_SECONDS)
    return found


async def check(stack: Instance, load: LoadClient, history: History) -> list[str]:
    """Returns the findings after the system has settled."""
    async with api_of(stack, ATTEMPTS) as api:
        return await Checker(api, load, history).verdict()
