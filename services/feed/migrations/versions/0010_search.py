"""Adds the words of tweets, for the search.

The new tables are empty: the worker fills them while everything runs (see `search_index`), so the
migration takes no time, and the previous version serves meanwhile.
"""

from chassis.database.migrations import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("""
        create table tweet_words (
            tweet_id bigint primary key,
            words tsvector not null
        );
        create index tweet_words_words on tweet_words using gin (words) with (fastupdate = off);
        alter table tweet_words alter column words set statistics 0;

        create table words_to_index (below bigint primary key);
        insert into words_to_index select coalesce(max(id) + 1, 0) from tweet;

        create function searchable_name(name text) returns text immutable language sql as
        $$ select translate(lower(name), 'ё', 'е') $$;
        create index person_name on person using gin (searchable_name(name) gin_trgm_ops);

        create function search_text(content text) returns text immutable language sql as
        $$ select translate(content, 'ёЁ', 'еЕ') $$;

        create function tweet_content(card text) returns text immutable language sql as
        $$ select ('{' || card || '}')::json ->> 'content' $$;

        -- `entities` is null if the card contains them: see `tweet_json`. Of a mention, the closing
        -- brace is missing there.
        create function search_words(
            author_id bigint,
            card text,
            entities text[],
            mentioned bigint[],
            has_media boolean,
            is_reply boolean
        ) returns tsvector stable language plpgsql as
        $$ declare
            parsed jsonb := '{' || card || '}';
            content text := parsed ->> 'content';
            found jsonb := parsed -> 'entities';
            entity text;
            filters text[] := array['from ' || author_id];
        begin
            if entities is not null then
                found := '[]';
                foreach entity in array entities loop
                    if right(entity, 1) = '}' then
                        found := found || jsonb_build_array(entity::jsonb);
                    end if;
                end loop;
            end if;
            if has_media then
                filters := filters || 'has image'::text;
            end if;
            if is_reply then
                filters := filters || 'is reply'::text;
            end if;
            if found @> '[{"type": "link"}]' then
                filters := filters || 'has link'::text;
            end if;
            filters := filters
                || array(select 'to ' || id from unnest(mentioned) as id where id is not null)
                || array(
                    select 'tag ' || (item ->> 'tag') from jsonb_array_elements(found) as item
                    where item ? 'tag'
                )
                || array(
                    select 'symbol ' || symbol[1]
                    from regexp_matches(
                        content,
                        '[\\u00A9\\u00AE\\u203C\\u2049\\u2122\\u2139\\u2190-\\u21FF\\u2300-\\u23FF'
                        '\\u24C2\\u25A0-\\u27BF\\u2900-\\u297F\\u2B00-\\u2BFF\\u3030\\u303D\\u3297'
                        '\\u3299\\U0001F000-\\U0001FAFF]',
                        'g'
                    ) as symbol
                );
            return to_tsvector('extensions.words', search_text(content))
                || array_to_tsvector(array(select distinct unnest(filters)));
        end $$;
    """)
