"""Notifies the processes that cache pages of every change that concerns a page, at its commit."""

from chassis.database.migrations import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("""
        create function notify_pages() returns trigger language plpgsql as
        $$ declare
            channel text := tg_table_schema || '_changes';
        begin
            if tg_table_name = 'follow' then
                perform pg_notify(channel, 'reader ' || new.follower_id);
            elsif tg_table_name = 'person' then
                perform pg_notify(channel, 'name');
            elsif tg_table_name = 'tweet' then
                perform pg_notify(channel, 'author ' || coalesce(new.author_id, old.author_id));
            else
                perform pg_notify(channel, 'author ' || author_id)
                from tweet where id = new.tweet_id and author_id is not null;
            end if;
            return null;
        end $$;

        create trigger follow_notifies_pages after insert or update on follow
            for each row execute function notify_pages();
        create trigger person_notifies_pages after insert or update on person
            for each row execute function notify_pages();
        create trigger new_tweet_notifies_pages after insert on tweet
            for each row when (new.author_id is not null) execute function notify_pages();
        create trigger tweet_notifies_pages after update on tweet
            for each row when (
                (old.author_id, old.like_count, old.card)
                    is distinct from (new.author_id, new.like_count, new.card)
                and coalesce(old.author_id, new.author_id) is not null
            )
            execute function notify_pages();
        -- An active like may get a newer version, and so another place in the list of likes. The
        -- row of its tweet does not change then.
        create trigger like_notifies_pages after update on tweet_like
            for each row when (old.active and new.active) execute function notify_pages();
    """)
