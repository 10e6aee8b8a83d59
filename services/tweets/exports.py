"""What is a person's in tweets, for the archive that they take along."""

TWEETS = """
select id as key, json_build_object(
    'id', id, 'content', content, 'created_at', created_at,
    'attachments', (
        select coalesce(json_agg(path order by media.id), '[]')
        from media where media.tweet_id = tweet.id
    )
)::text as line
from tweet where author_id = $1 and id > $2 and deleted_at is null order by id limit $3
"""
LIKES = """
select tweet_id as key, json_build_object('tweet_id', tweet_id)::text as line
from tweet_like where user_id = $1 and tweet_id > $2 and active order by tweet_id limit $3
"""

LISTS = {"tweets": TWEETS, "likes": LIKES}
