"""Adds the table of erasures, and indexes that find the data of an erased person.

New likes wait while the index of likes is built: about one second per million likes.
"""

from chassis.database.migrations import run_script
from chassis.privacy import erasure

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
