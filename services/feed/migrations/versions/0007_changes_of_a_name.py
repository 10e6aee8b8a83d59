"""The notification of a change of a person names the person.

So pages that do not show this person stay in the cache.

`person 7` says that the name of person 7 changed. If person 7 was deactivated, `author 7` says that
their tweets are shown no more. Before, every change of a person was announced as `name`, at which
each process dropped its whole cache.

The code before this revision does not know `person 7`, and drops its whole cache as before.
"""

from chassis.database.migrations import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("""
        create or replace function notify_pages() returns trigger language plpgsql as
        $$ declare
            channel text := tg_table_schema || '_changes';
        begin
            if tg_table_name = 'follow' then
                perform pg_notify(channel, 'reader ' || new.follower_id);
            elsif tg_table_name = 'person' then
                -- `old` is null for a new person. Pages show an unknown name as an empty one.
                if new.name is distinct from coalesce(old.name, '') then
                    perform pg_notify(channel, 'person ' || new.id);
                end if;
                if new.hidden is distinct from coalesce(old.hidden, false) then
                    perform pg_notify(channel, 'author ' || new.id);
                end if;
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
