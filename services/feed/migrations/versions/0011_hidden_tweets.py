"""Adds whether moderators have hidden a tweet: then it is not visible.

The expression of a stored generated column cannot change without writing all rows again. Meanwhile
the table is locked and the feed does not respond: about a minute for each million tweets.
"""

from chassis.database.migrations import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script("""
        drop trigger tweet_notifies_pages on tweet;
        alter table tweet
            add column hidden boolean not null default false,
            add column hidden_version bigint not null default 0;
        alter table tweet alter column visible
            set expression as (author_id is not null and not deleted and not hidden);
        create trigger tweet_notifies_pages after update on tweet
            for each row when (
                (old.author_id, old.like_count, old.reply_count, old.card, old.hidden)
                    is distinct from
                    (new.author_id, new.like_count, new.reply_count, new.card, new.hidden)
                and coalesce(old.author_id, new.author_id) is not null
            )
            execute function notify_pages();
    """)
