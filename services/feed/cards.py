"""The part of a tweet's JSON that is the same for every reader, rendered once when it is posted."""

import json

from .events import TweetPosted


def render(tweet: TweetPosted) -> str:
    """The members of a JSON object, without its braces; no name and no like is among them."""
    instant = tweet.created_at.isoformat().replace("+00:00", "Z")
    members = {
        "id": tweet.tweet_id,
        "content": tweet.content,
        "attachments": tweet.attachments,
        "created_at": instant,
        "stamp": instant,
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))[1:-1]
