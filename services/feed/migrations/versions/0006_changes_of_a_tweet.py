"""The notification of a change of a tweet names the tweet beside its author.

So the author's other tweets can stay in the cache.

PostgreSQL sends equal notifications of a transaction only once. So the notification of the author
comes after the first of the author's tweets that the transaction changed, and maybe before the
others.

The code before this revision does not know `tweet 31`, and drops its whole cache. That is correct,
but more than necessary.
"""

from chassis.database.migrations import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("""
        create or replace function notify_pages() returns trigger language plpgsql as
        $$ declare
            channel text := tg_table_schema || '_changes';
        begin
            if tg_table_name = 'follow' then
                perform pg_notify(channel, 'reader ' || new.follower_id);
            elsif tg_table_name = 'person' then
                perform pg_notify(channel, 'name');
            elsif tg_table_name = 'tweet' then
                -- The author comes last, so that a page that was assembled between the two
                -- notifications is dropped too.
                perform pg_notify(channel, 'tweet ' || new.id);
                perform pg_notify(channel, 'author ' || coalesce(new.author_id, old.author_id));
            else
                perform pg_notify(channel, 'tweet ' || id),
                        pg_notify(channel, 'author ' || author_id)
                from tweet where id = new.tweet_id and author_id is not null;
            end if;
            return null;
        end $$;
    """)
