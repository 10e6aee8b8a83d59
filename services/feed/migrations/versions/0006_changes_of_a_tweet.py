"""A change of a tweet names the tweet beside its author, whose other tweets are as they were.

PostgreSQL tells the same only once in a transaction: the author comes after the first of their
tweets that it changed, maybe before the others.

Code of before takes what it does not know for a change of names, and forgets everything: more than
it must, and nothing wrong.
"""

from chassis.database import run_script

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
                -- The author comes last: what was put together in between goes with it.
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
