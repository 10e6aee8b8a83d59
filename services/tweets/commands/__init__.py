"""Everything that changes tweets, likes and followed hashtags.

*Versions.* The id of the event in the outbox is the new version of what the event is about: a tweet
or a like. Consumers ignore an event that is older than the version they have. So a command locks
the row first and records the event while it holds the lock; otherwise two changes could commit in
one order and have versions in the other. `chassis.messaging.outbox` has the details.

*One statement.* Likes, tweets and replies are most of the writes, so each of them is one statement
that changes the row and records the event. It needs no transaction around it (docs/adr/0043). A
tweet with pictures takes several.
`nextval` in the `set` of an update draws a version that is later than every version of the row:
PostgreSQL evaluates `set` again if another transaction has changed the row while the update waited
for it. A like that is inserted has no earlier version.
"""

from .deletion import delete_tweet
from .followed_tags import follow_tag, unfollow_tag
from .likes import like_tweet, unlike_tweet
from .posting import MAX_ANCESTORS, NewTweet, Posted, clean_draft, post_tweet, post_tweet_at_once

__all__ = [
    "MAX_ANCESTORS",
    "NewTweet",
    "Posted",
    "clean_draft",
    "delete_tweet",
    "follow_tag",
    "like_tweet",
    "post_tweet",
    "post_tweet_at_once",
    "unfollow_tag",
    "unlike_tweet",
]
