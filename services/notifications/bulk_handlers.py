"""Which functions apply many events of a class at once: for a rebuild, which applies all events.

They are those that the handlers call with one event each. Classes of which there are few events are
left out: the importer calls their handler.
"""

from collections.abc import Mapping

from chassis.messaging.events import Event
from chassis.projections.importer import BulkHandler

from .events import (
    TweetLiked,
    TweetPosted,
    TweetUnliked,
    UserFollowed,
    UserRegistered,
    UserUnfollowed,
)
from .handlers import set_follows, set_names
from .likes import set_likes
from .tweets import insert_tweets

bulk_handlers: Mapping[type[Event], BulkHandler] = {
    UserRegistered: set_names,
    UserFollowed: set_follows,
    UserUnfollowed: set_follows,
    TweetPosted: insert_tweets,
    TweetLiked: set_likes,
    TweetUnliked: set_likes,
}
