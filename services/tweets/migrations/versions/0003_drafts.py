"""Which draft became which tweet, for a draft that is posted again."""

from chassis.database import run_script

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
