"""Media publishes `media.expired.v1` about each picture, whether or not a tweet has it.

Before, media learned from `tweet.posted.v1` which pictures were attached.
"""

from chassis.database.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("""
        create index media_unasked on media (uploaded_at)
            where expired_at is null and removed_at is null;
        drop index media_untaken;
    """)
