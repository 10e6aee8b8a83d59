"""The moderator of a load: hides and restores tweets, and posts announcements."""

import time
from datetime import UTC, datetime, timedelta

from .actors import Actor
from .history import Outcome, Tweet

ROLES = ("moderator", "announcer")
MAX_ANNOUNCEMENTS = 5
"""Of one load. Twenty are listed, and all of them must be there at the end."""
IN_FORCE = timedelta(hours=2)
"""Longer than a fault."""
_HIDDEN_AT_ONCE = 6


class Moderator(Actor):
    """Only the moderator decides whether a tweet is hidden. The tweets of the moderator are
    announcements."""

    CHOICES = {"hide": 8, "restore": 6, "announce": 1, "like": 3, "read_own": 2}  # noqa: RUF012

    async def _hide(self) -> None:
        shown = [
            tweet
            for tweet in self._history.known_tweets()[-60:]
            if tweet not in self._history.announcements
        ]
        if shown and len(self._hidden()) < _HIDDEN_AT_ONCE:
            await self._set_hidden(self._chance.choice(shown), wanted=True)

    async def _restore(self) -> None:
        if hidden := self._hidden():
            await self._set_hidden(self._chance.choice(hidden), wanted=False)

    def _hidden(self) -> list[Tweet]:
        tweets = self._history.tweets.values()
        return [t for t in tweets if t.exists and t.hidden.sure and t.hidden.set]

    async def _set_hidden(self, tweet: Tweet, *, wanted: bool) -> None:
        tweet.was_hidden = True
        tweet.hidden.sure = False
        path = f"/api/tweets/{tweet.id}/hidden"
        if wanted:
            body = {"reason": "spam", "note": "Not here."}
            response = await self._api.write(self._me, "PUT", path, json=body)
        else:
            response = await self._api.write(self._me, "DELETE", path)
        if response.outcome is Outcome.unknown:
            tweet.decisions = None
            return
        tweet.hidden.sure = True
        tweet.hidden.record(wanted, response.outcome)
        if response.outcome is Outcome.done and tweet.decisions is not None:
            tweet.decisions += 1
        if response.status == 404 and tweet.exists:
            action = "hidden" if wanted else "restored"
            self._history.wrong.append(f"{tweet.content!r} was there and could not be {action}")

    async def _announce(self) -> None:
        if len(self._history.announcements) == MAX_ANNOUNCEMENTS:
            return
        tweet = self._draft([], None)
        self._history.tweets[tweet.content] = tweet
        self._history.announcements.append(tweet)
        body = {
            "tweet_data": tweet.content,
            "until": (datetime.now(UTC) + IN_FORCE).isoformat(),
            "acknowledge": True,
            "draft_id": f"draft-{self._count}",
        }
        response = await self._until_answered("POST", "/api/announcements", json=body)
        tweet.posted = response.outcome
        if response.outcome is Outcome.done:
            tweet.id = response.body["tweet_id"]
        elif response.status in (400, 403, 404, 409):
            self._history.wrong.append(f"{tweet.content!r} was refused: {response.body}")
        self._own.append(tweet)
        self._settled_at[tweet.content] = time.monotonic()
