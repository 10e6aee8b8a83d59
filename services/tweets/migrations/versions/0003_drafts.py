"""Creates the table of drafts, which finds the tweet of a draft that is posted again."""

from chassis.database.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("""
        create table draft (
            author_id bigint,
            id text,
            tweet_id bigint references tweet,
            version bigint,
            primary key (author_id, id)
        );
    """)
