-- Creates the roles and schemas of Warble. Run it with psql as the database's owner; running it again
-- is safe. The passwords come from the environment: USERS_DB_PASSWORD, and so on.
\set ON_ERROR_STOP on
set client_min_messages = warning;

create schema if not exists extensions;
create extension if not exists pg_trgm schema extensions;
create extension if not exists unaccent schema extensions;

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
