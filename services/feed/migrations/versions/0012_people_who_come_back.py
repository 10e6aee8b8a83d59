"""Adds the version of whether a person is hidden: deactivated people can come back.

It is 0 for people whose deactivation was handled before this revision.

A cached page that leaves out a hidden person, as a mention, does not show that it depends on this
person. So a person who comes back makes each process drop its whole cache: that is rare.
"""

from chassis.database.migrations import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script("""
        alter table person add column hidden_version bigint not null default 0;
        create function notify_pages_of_return() returns trigger language plpgsql as
        $$ begin
            perform pg_notify(tg_table_schema || '_changes', 'return ' || new.id);
            return null;
        end $$;
        create trigger person_returns after update on person
            for each row when (old.hidden and not new.hidden)
            execute function notify_pages_of_return();
    """)
