-- Creates a service's role and schema, both named :service. The role has access to no other schema.
select format('create role %I', :'service')
where not exists (select from pg_roles where rolname = :'service') \gexec
-- A role that another user has created, and whose password we may not set, stays unchanged.
select format('alter role %I login password %L', :'service', :'password')
from pg_roles as me
where me.rolname = current_user and (
    me.rolsuper
    or pg_has_role(current_user, :'service', 'usage with admin option')
) \gexec

-- Without being superuser, we may create a schema only for a role of which we are a member.
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
