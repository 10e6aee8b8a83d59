"""The own tweets that a person shows at the top of their profile."""

from chassis.database import clock
from chassis.database.session import AnySession, fetch

from .errors import NotYourTweet, TooManyPins, TweetNotFound

MAX_PINS = 3
"""How many tweets a person can pin. Deleted and hidden ones do not count."""

# One change of a person's pins at a time, so that they stay within the limit. No other advisory
# lock is taken in this schema's transactions.
_LOCK = "select pg_advisory_xact_lock($1)"
_AUTHOR = """
select author_id from tweet where id = $1 and deleted_at is null and hidden_at is null
"""
_PINS = """
select tweet_id from pin join tweet on tweet.id = pin.tweet_id
where pin.user_id = $1 and deleted_at is null and hidden_at is null
    and not exists (select from person where person.id = $1 and not active)
order by pinned_at desc, tweet_id desc
"""
_PIN = """
insert into pin (user_id, tweet_id, pinned_at) values ($1, $2, $3) on conflict do nothing
"""
_UNPIN = "delete from pin where user_id = $1 and tweet_id = $2"


async def pins(session: AnySession, user_id: int) -> list[int]:
    """The tweets that the person has pinned, the latest pin first."""
    shown = [row["tweet_id"] for row in await fetch(session, _PINS, user_id)]
    # A tweet that is restored while others have taken its place comes back, so there may be more.
    return shown[:MAX_PINS]


async def pin_tweet(session: AnySession, user_id: int, tweet_id: int) -> None:
    """Idempotent. Raises TweetNotFound, NotYourTweet and TooManyPins."""
    found = await fetch(session, _AUTHOR, tweet_id)
    if not found:
        raise TweetNotFound
    if found[0]["author_id"] != user_id:
        raise NotYourTweet
    await fetch(session, _LOCK, user_id)
    pinned = await pins(session, user_id)
    if tweet_id in pinned:
        return
    if len(pinned) >= MAX_PINS:
        raise TooManyPins(limit=MAX_PINS)
    await fetch(session, _PIN, user_id, tweet_id, clock.now())


async def unpin_tweet(session: AnySession, user_id: int, tweet_id: int) -> None:
    """Idempotent."""
    await fetch(session, _UNPIN, user_id, tweet_id)
