"""The part of a tweet's JSON that is the same for every reader, rendered once when it is posted."""

import json

from .events import Picture, TweetPosted


def render(tweet: TweetPosted) -> str:
    """The members of a JSON object, without its braces; no name and no like is among them."""
    instant = tweet.created_at.isoformat().replace("+00:00", "Z")
    media = tweet.media
    if media is None:
        media = [Picture(url=path, thumbnail=path) for path in tweet.attachments]
    members = {
        "id": tweet.tweet_id,
        "content": tweet.content,
        "attachments": tweet.attachments,
        "created_at": instant,
        "stamp": instant,
        "media": [picture.model_dump() for picture in media],
    }
    return json.dumps(members, ensure_ascii=False, separators=(",", ":"))[1:-1]
