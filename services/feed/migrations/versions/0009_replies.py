"""Adds replies, entities and hashtags.

Cards of earlier tweets get the new members. Their texts have no entities. While the cards are
written, the table is locked and the feed does not respond: about a minute for each million tweets.
"""

from chassis.database.migrations import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("""
        alter table tweet
            add column entities text[],
            add column mentioned bigint[],
            add column has_media boolean not null default false,
            add column parent_id bigint,
            add column root_id bigint,
            add column depth integer not null default 0,
            add column ancestors bigint[] not null default '{}',
            add column self_replies integer not null default 0,
            add column reply_count integer not null default 0;

        drop trigger tweet_notifies_pages on tweet;
        drop index tweet_popular, tweet_recent, tweet_popular_by_author, tweet_recent_by_author;
        update tweet set
            card = card || ',"reply_to":null,"root_id":' || id || ',"entities":[]',
            has_media = (('{' || card || '}')::json ->> 'media') <> '[]'
        where card is not null;

        create index tweet_popular on tweet (like_count desc, id desc)
            where visible and parent_id is null;
        create index tweet_recent on tweet (id desc) where visible and parent_id is null;
        create index tweet_popular_by_author on tweet (author_id, like_count desc, id desc)
            where visible and parent_id is null;
        create index tweet_recent_by_author on tweet (author_id, id desc)
            where visible and parent_id is null;
        create index reply_popular on tweet (like_count desc, id desc)
            where visible and parent_id is not null;
        create index reply_recent on tweet (id desc) where visible and parent_id is not null;
        create index reply_popular_by_author on tweet (author_id, like_count desc, id desc)
            where visible and parent_id is not null;
        create index reply_recent_by_author on tweet (author_id, id desc)
            where visible and parent_id is not null;
        create index reply_in_thread on tweet (root_id, id)
            where visible and parent_id is not null;
        create index picture_by_author on tweet (author_id, id desc) where visible and has_media;
        create index like_latest_by_user on tweet_like (user_id, version desc) where active;

        create table reply (
            ancestor_id bigint,
            aside boolean,
            tweet_id bigint,
            primary key (ancestor_id, aside, tweet_id)
        );
        create table tweet_tag (
            tag text,
            tweet_id bigint,
            spelling text not null,
            primary key (tag, tweet_id)
        );
        create index tag_of_tweet on tweet_tag (tweet_id);
        create table tag_follow (
            user_id bigint,
            tag text,
            active boolean not null,
            version bigint not null,
            primary key (user_id, tag)
        );

        create function hashtag_number(tag text) returns bigint immutable language sql as
        $$ select hashtext(tag)::bigint + 2147483648 $$;
        create or replace function notify_pages() returns trigger language plpgsql as
        $$ declare
            channel text := tg_table_schema || '_changes';
        begin
            if tg_table_name = 'follow' then
                perform pg_notify(channel, 'reader ' || new.follower_id);
            elsif tg_table_name = 'tag_follow' then
                perform pg_notify(channel, 'reader ' || new.user_id);
            elsif tg_table_name = 'tweet_tag' then
                perform pg_notify(
                    channel, 'hashtag ' || hashtag_number(coalesce(new.tag, old.tag))
                );
            elsif tg_table_name = 'reply' then
                perform pg_notify(
                    channel, 'thread ' || coalesce(new.ancestor_id, old.ancestor_id)
                );
            elsif tg_table_name = 'person' then
                -- `old` is null for a new person. Pages show an unknown name as an empty one, and
                -- no mention of a hidden person.
                if new.name is distinct from coalesce(old.name, '')
                    or new.hidden is distinct from coalesce(old.hidden, false)
                then
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

        create trigger tweet_notifies_pages after update on tweet
            for each row when (
                (old.author_id, old.like_count, old.reply_count, old.card)
                    is distinct from (new.author_id, new.like_count, new.reply_count, new.card)
                and coalesce(old.author_id, new.author_id) is not null
            )
            execute function notify_pages();
        create trigger reply_notifies_pages after insert or delete on reply
            for each row execute function notify_pages();
        create trigger tag_notifies_pages after insert or delete on tweet_tag
            for each row execute function notify_pages();
        create trigger tag_follow_notifies_pages after insert or update on tag_follow
            for each row execute function notify_pages();
    """)
