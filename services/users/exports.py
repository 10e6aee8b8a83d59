"""What is a person's in users, for the archive that they take along."""

PROFILE = """
select id as key, json_build_object(
    'id', id, 'name', name, 'created_at', created_at,
    'follower_count', follower_count, 'following_count', following_count
)::text as line
from person where id = $1 and id > $2 and deactivated_at is null limit $3
"""
FOLLOWING = """
select followed_id as key, json_build_object('id', person.id, 'name', person.name)::text as line
from follow join person on person.id = followed_id and deactivated_at is null
where follower_id = $1 and followed_id > $2 and active
order by followed_id limit $3
"""
FOLLOWERS = """
select version as key, json_build_object('id', person.id, 'name', person.name)::text as line
from follow join person on person.id = follower_id and deactivated_at is null
where followed_id = $1 and version > $2 and active
order by version limit $3
"""
KEYS = """
select id as key, json_build_object(
    'id', id, 'name', name, 'scope', scope, 'begins_with', hint, 'created_at', created_at,
    'expires_at', expires_at, 'revoked_at', revoked_at, 'used_at', used_at
)::text as line
from api_key where user_id = $1 and id > $2 order by id limit $3
"""

SESSIONS = """
select id as key, json_build_object(
    'id', id, 'client', client, 'created_at', created_at, 'used_at', used_at,
    'expires_at', expires_at, 'ended_at', ended_at
)::text as line
from user_session where user_id = $1 and id > $2 order by id limit $3
"""

LISTS = {
    "profile": PROFILE,
    "following": FOLLOWING,
    "followers": FOLLOWERS,
    "keys": KEYS,
    "sessions": SESSIONS,
}
