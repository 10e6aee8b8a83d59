"""The people of the load: each repeats random actions, with one call at a time.

An actor records the outcome of every write in the history. It also checks its reads at once: they
must contain the person's own acknowledged writes, unless the response declares itself stale.
"""

import asyncio
import json
import time
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

from gateway.consistency_tokens import TTL_SECONDS
from services.tweets.pins import MAX_PINS
from tests.journeys.company import png

from .history import Author, History, Outcome, Tweet, Upload
from .load_client import UPLOADS, LoadClient, Response

_PAGE = 100
_NEWEST_PAGE = 20
_NEWEST = f"?order=recent&limit={_NEWEST_PAGE}"
_REPEATS = 40
"""Maximum attempts of an idempotent call, half a second apart."""
_AGAIN_SECONDS = 0.5
_REMEMBERED_SECONDS = TTL_SECONDS - 2
"""For so long the gateway certainly applies a consistency token: its lifetime, less a margin."""


class Actor:
    """One person. No other actor changes the person's tweets, likes and follows, except that the
    moderator hides and restores tweets."""

    CHOICES: ClassVar[dict[str, int]] = {
        "post": 22,
        "reply": 7,
        "post_picture": 3,
        "like": 22,
        "unlike": 6,
        "follow": 6,
        "unfollow": 4,
        "delete": 5,
        "read_own": 14,
        "read_feed": 11,
        "see_notifications": 6,
        "pin": 4,
        "unpin": 2,
        "confirm": 4,
    }
    """The methods that act, without their underscore, and how often one is chosen."""

    def __init__(self, history: History, api: LoadClient, author: Author, chance: Random) -> None:
        self._history = history
        self._api = api
        self._me = author
        self._chance = chance
        self._own: list[Tweet] = []
        self._settled_at: dict[str, float] = {}
        """When the last write of a tweet got its response, by content (monotonic seconds)."""
        self._liked_at: dict[int, float] = {}
        self._seen: set[str] = set()
        self._count = 0

    async def act(self, ended: asyncio.Event, pause: float) -> None:
        names, weights = list(self.CHOICES), list(self.CHOICES.values())
        while not ended.is_set() and not self._me.erased:
            (name,) = self._chance.choices(names, weights)
            if not self._me.away:
                await getattr(self, f"_{name}")()
            try:
                async with asyncio.timeout(self._chance.expovariate(1 / pause)):
                    await ended.wait()
            except TimeoutError:
                continue

    async def _until_answered(self, method: str, path: str, **request: Any) -> Response:
        """Repeats an idempotent call until it gets a response.

        The outcome is unknown if no attempt got one, and one of them may have taken effect.
        """
        clean = True
        for _ in range(_REPEATS):
            response = await self._api.write(self._me, method, path, **request)
            if response.status == 401:
                # The person has been deactivated, which says nothing about earlier attempts.
                break
            if response.status and response.status < 500 and response.status != 429:
                return response
            clean = clean and response.outcome is Outcome.refused
            await asyncio.sleep(_AGAIN_SECONDS)
        return response if clean else replace(response, outcome=Outcome.unknown)

    # Tweets.

    def _draft(self, media_ids: list[int], parent: Tweet | None) -> Tweet:
        self._count += 1
        content = f"{self._me.name} said this as number {self._count} #{self._history.tag}"
        return Tweet(self._me, content, media_ids, Outcome.unknown, parent=parent)

    async def _reply(self) -> None:
        if tweets := self._history.known_tweets()[-30:]:
            await self._post(parent=self._chance.choice(tweets))

    async def _post(self, *media: Upload, parent: Tweet | None = None) -> None:
        tweet = self._draft([upload.id for upload in media], parent)
        self._history.tweets[tweet.content] = tweet
        body: dict[str, Any] = {"tweet_data": tweet.content, "tweet_media_ids": tweet.media_ids}
        if parent is not None:
            body["reply_to"] = parent.id
        if self._chance.random() < 0.5:
            body["draft_id"] = f"draft-{self._count}"
            response = await self._until_answered("POST", "/api/tweets", json=body)
        else:
            response = await self._api.write(self._me, "POST", "/api/tweets", json=body)
        tweet.posted = response.outcome
        if response.outcome is Outcome.done:
            tweet.id = response.body["tweet_id"]
        elif response.status in (404, 409) and (parent is None or parent.steady):
            self._history.wrong.append(
                f"{tweet.content!r} was refused: {json.dumps(response.body)}"
            )
        for upload in media:
            upload.taken = response.outcome is not Outcome.refused
        self._own.append(tweet)
        self._settled_at[tweet.content] = time.monotonic()

    async def _post_picture(self) -> None:
        files = {"file": ("picture.png", png(), "image/png")}
        response = await self._api.write(self._me, "POST", UPLOADS, files=files)
        if response.outcome is Outcome.done:
            upload = Upload(self._me, response.body["media_id"])
            self._history.uploads.append(upload)
            if self._chance.random() < 0.8:
                await self._post(upload)

    async def _delete(self) -> None:
        mine = [tweet for tweet in self._own if tweet.certain]
        if not mine:
            return
        tweet = self._chance.choice(mine)
        tweet.deletion = Outcome.unknown
        path = f"/api/tweets/{tweet.id}"
        response = await self._api.write(self._me, "DELETE", path)
        if response.status == 404 and not self._me.erased:
            self._history.wrong.append(f"{tweet.content!r} was there and could not be deleted")
        elif response.outcome is Outcome.refused and response.status != 404:
            tweet.deletion = None
        elif response.outcome is Outcome.unknown and self._chance.random() < 0.5:
            response = await self._until_answered("DELETE", path)
        if response.outcome is Outcome.done or response.status == 404:
            tweet.deletion = Outcome.done
        # 404 means that an earlier call, whose response was lost, deleted the tweet. The client did
        # not get that event's id, so the next read may still show the tweet.
        self._settled_at[tweet.content] = 0.0 if response.status == 404 else time.monotonic()

    # Likes and follows.

    async def _like(self) -> None:
        await self._set_like(wanted=True)

    async def _unlike(self) -> None:
        await self._set_like(wanted=False)

    async def _set_like(self, *, wanted: bool) -> None:
        tweets = self._history.known_tweets()[-60:]
        open_to_me = [
            tweet
            for tweet in tweets
            if (mark := self._history.like(self._me.id, tweet.id or 0)).sure and mark.set != wanted
        ]
        if not open_to_me:
            return
        tweet = self._chance.choice(open_to_me)
        assert tweet.id is not None
        mark = self._history.like(self._me.id, tweet.id)
        method = "POST" if wanted else "DELETE"
        response = await self._api.write(self._me, method, f"/api/tweets/{tweet.id}/likes")
        if response.status == 404 and tweet.steady:
            self._history.wrong.append(f"{tweet.content!r} was there and could not be liked")
        mark.record(wanted, response.outcome)
        self._liked_at[tweet.id] = time.monotonic()

    async def _follow(self) -> None:
        await self._set_follow(wanted=True)

    async def _unfollow(self) -> None:
        await self._set_follow(wanted=False)

    async def _set_follow(self, *, wanted: bool) -> None:
        others = [
            other
            for other in self._history.people
            if other is not self._me
            and (mark := self._history.follow(self._me.id, other.id)).sure
            and mark.set != wanted
        ]
        if not others:
            return
        other = self._chance.choice(others)
        method = "POST" if wanted else "DELETE"
        response = await self._api.write(self._me, method, f"/api/users/{other.id}/follow")
        self._history.follow(self._me.id, other.id).record(wanted, response.outcome)

    # Pins and confirmations.

    async def _pin(self) -> None:
        # Hidden tweets count here, because they take their places again when they are restored.
        pinned = [tweet for tweet in self._own if tweet.pinned.set or not tweet.pinned.sure]
        if len(pinned) < MAX_PINS:
            await self._set_pin(wanted=True)

    async def _unpin(self) -> None:
        await self._set_pin(wanted=False)

    async def _set_pin(self, *, wanted: bool) -> None:
        mine = [
            tweet
            for tweet in self._own
            if tweet.certain and tweet.pinned.sure and tweet.pinned.set != wanted
        ]
        if not mine:
            return
        tweet = self._chance.choice(mine)
        method = "PUT" if wanted else "DELETE"
        response = await self._api.write(self._me, method, f"/api/tweets/{tweet.id}/pin")
        if response.status in (404, 409) and tweet.steady:
            self._history.wrong.append(
                f"{tweet.content!r} could not be pinned: {json.dumps(response.body)}"
            )
        tweet.pinned.record(wanted, response.outcome)

    async def _confirm(self) -> None:
        """Confirms that an announcement was read."""
        unconfirmed = [
            tweet
            for tweet in self._history.announcements
            if tweet.certain
            and tweet.author is not self._me
            and (mark := self._history.confirmation(self._me.id, tweet.id or 0)).sure
            and not mark.set
        ]
        if not unconfirmed:
            return
        tweet = self._chance.choice(unconfirmed)
        assert tweet.id is not None
        path = f"/api/announcements/{tweet.id}/acknowledgement"
        response = await self._api.write(self._me, "POST", path)
        if response.status == 404 and tweet.steady:
            self._history.wrong.append(f"{tweet.content!r} was there and could not be confirmed")
        self._history.confirmation(self._me.id, tweet.id).record(True, response.outcome)

    # Reads, which must contain the person's own writes.

    async def _read_own(self) -> None:
        response = await self._api.read(
            self._me, f"/api/users/{self._me.id}/tweets?replies=all&limit={_PAGE}"
        )
        if response.outcome is not Outcome.done:
            return
        self._compare_own(response, _PAGE, with_replies=True)

    def _compare_own(self, response: Response, asked: int, *, with_replies: bool) -> None:
        """Compares the person's tweets with a page of the newest tweets.

        A page with fewer than `asked` tweets contains all; a full one reaches to its oldest.
        """
        there = {tweet["content"]: tweet for tweet in response.body["tweets"]}
        oldest = min((tweet["id"] for tweet in response.body["tweets"]), default=0)
        reaches = oldest if len(there) == asked else 0
        for tweet in self._own:
            if tweet.parent is not None and not with_replies:
                continue
            if tweet.id is None or tweet.id >= reaches:
                self._compare(tweet, there.get(tweet.content), response)

    def _compare(self, tweet: Tweet, found: dict[str, Any] | None, response: Response) -> None:
        recent = time.monotonic() - self._settled_at[tweet.content] < _REMEMBERED_SECONDS
        owed = recent and not response.stale
        if found is not None:
            tweet.paths = found["attachments"] or tweet.paths
            if tweet.posted is Outcome.refused:
                self._history.wrong.append(f"{tweet.content!r} was refused and is there")
            if tweet.deletion is Outcome.done and owed:
                self._history.wrong.append(f"{tweet.content!r} was deleted and is still read")
            self._seen.add(tweet.content)
            return
        if tweet.steady and owed:
            self._history.wrong.append(
                f"{tweet.content!r} was acknowledged and is missing in its author's read"
            )
        if tweet.steady and tweet.content in self._seen:
            self._history.wrong.append(f"{tweet.content!r} was read before and is now missing")

    async def _see_notifications(self) -> None:
        """Reads the list, as its page does, and marks all of it as seen. The marker of an earlier
        time must not come back."""
        response = await self._api.read(self._me, "/api/notifications")
        if response.outcome is not Outcome.done:
            return
        if response.body["seen"] < self._history.seen.get(self._me.id, 0):
            self._history.wrong.append(f"the marker of {self._me.name} went back")
        newest = max((group["seq"] for group in response.body["notifications"]), default=0)
        path = "/api/notifications/seen"
        response = await self._api.write(self._me, "POST", path, json={"seq": newest})
        if response.outcome is Outcome.done:
            known = self._history.seen.get(self._me.id, 0)
            self._history.seen[self._me.id] = max(known, newest)

    async def _read_feed(self) -> None:
        way = self._chance.choice(("?limit=20", _NEWEST, "?offset=2&limit=20", ""))
        response = await self._api.read(self._me, f"/api/tweets{way}")
        if response.outcome is not Outcome.done or response.stale:
            return
        now = time.monotonic()
        if way == _NEWEST:
            self._compare_own(response, _NEWEST_PAGE, with_replies=False)
        for tweet in response.body["tweets"]:
            mark = self._history.likes.get((self._me.id, tweet["id"]))
            settled = self._liked_at.get(tweet["id"], 0.0)
            if mark is None or not mark.sure or now - settled > _REMEMBERED_SECONDS:
                continue
            if tweet["liked"] != mark.set:
                action = "liked" if mark.set else "unliked"
                name = self._me.name
                self._history.wrong.append(
                    f"{name} {action} {tweet['id']}, and a read shows the opposite"
                )
