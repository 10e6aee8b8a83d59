"""People who are erased, and what it takes to find what is theirs.

A like waits while the index of likes is built: about a second for each million of them.
"""

from chassis import erasure
from chassis.database import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("""
        create index tweet_by_author on tweet (author_id, id);
        create index like_by_user on tweet_like (user_id, tweet_id);
        create index media_by_owner on media (owner_id);
        create index draft_of_tweet on draft (tweet_id);
    """)
