-- Creates the roles and schemas of Warble. Run it with psql as the database's owner; running it again
-- is safe. The passwords come from the environment: USERS_DB_PASSWORD, and so on.
\set ON_ERROR_STOP on
set client_min_messages = warning;

do $$ begin
    if current_setting('server_version_num')::int < 180000 then
        raise exception 'Warble needs PostgreSQL 18 or newer';
    end if;
end $$;

create schema if not exists extensions;
create extension if not exists pg_trgm schema extensions;
create extension if not exists unaccent schema extensions;

-- How texts are searched: as by the configuration `russian`, which stems Russian words, and English
-- ones by their own rules, but without leaving out the most common words.
select 'create text search dictionary extensions.russian_words (template = snowball, language = russian)'
where not exists (select from pg_ts_dict where dictname = 'russian_words') \gexec
select 'create text search dictionary extensions.english_words (template = snowball, language = english)'
where not exists (select from pg_ts_dict where dictname = 'english_words') \gexec
select 'create text search configuration extensions.words (copy = pg_catalog.russian)'
where not exists (
    select from pg_ts_config where cfgname = 'words' and cfgnamespace = 'extensions'::regnamespace
) \gexec
alter text search configuration extensions.words
    alter mapping for word, hword, hword_part with extensions.russian_words;
alter text search configuration extensions.words
    alter mapping for asciiword, asciihword, hword_asciipart with extensions.english_words;

revoke all on schema public from public;
select format('revoke all on database %I from public', current_database()) \gexec

\set service users
\getenv password USERS_DB_PASSWORD
\ir service.sql
\set service tweets
\getenv password TWEETS_DB_PASSWORD
\ir service.sql
\set service media
\getenv password MEDIA_DB_PASSWORD
\ir service.sql
\set service feed
\getenv password FEED_DB_PASSWORD
\ir service.sql
\set service notifications
\getenv password NOTIFICATIONS_DB_PASSWORD
\ir service.sql

-- A rebuild of a projection fills its second schema while the first one serves.
select format('create schema %I authorization %I', service || '_fresh', service)
from (values ('feed'), ('notifications')) as projection (service)
where to_regnamespace(service || '_fresh') is null \gexec
revoke all on schema feed_fresh, notifications_fresh from public;
