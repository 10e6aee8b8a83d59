-- One service's role and schema, both named :service. The role reaches its own schema and no other.
select format('create role %I', :'service')
where not exists (select from pg_roles where rolname = :'service') \gexec
-- Where somebody else made the role, and its password is not ours to set, it stays as it is.
select format('alter role %I login password %L', :'service', :'password')
from pg_roles as me
where me.rolname = current_user and (
    me.rolsuper
    or current_setting('server_version_num')::int < 160000
    or pg_has_role(current_user, :'service', 'usage with admin option')
) \gexec

-- An owner that is no superuser may give a schema away only to a role that it belongs to.
select format('grant %I to current_user', :'service')
where not (select rolsuper from pg_roles where rolname = current_user)
  and not pg_has_role(current_user, :'service', 'usage') \gexec

select format('create schema %I authorization %I', :'service', :'service')
where not exists (select from pg_namespace where nspname = :'service') \gexec
revoke all on schema :"service" from public;
grant usage on schema extensions to :"service";
select format('grant connect on database %I to %I', current_database(), :'service') \gexec

select format('alter role %I in database %I set %s', :'service', current_database(), setting)
from (values
    (format('search_path = %I, extensions', :'service')),
    ('statement_timeout = ''30s'''),
    ('idle_in_transaction_session_timeout = ''30s''')
) as settings (setting) \gexec
