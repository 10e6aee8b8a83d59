"""Notifies the processes that cache profiles of every change that concerns a profile, at its
commit: the id of the person, or nothing for a change that concerns everybody who lists the person.

A follow that begins or ends changes the counts of both people.
"""

from chassis.database.migrations import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_script("""
        create function notify_profiles() returns trigger language plpgsql as
        $$ begin
            if tg_op = 'UPDATE'
                and (old.name, old.deactivated_at)
                    is not distinct from (new.name, new.deactivated_at)
            then
                perform pg_notify(tg_table_schema || '_profiles', new.id::text);
            else
                perform pg_notify(tg_table_schema || '_profiles', '');
            end if;
            return null;
        end $$;

        create trigger person_notifies_profiles after update on person
            for each row when (
                (old.name, old.about, old.title, old.department, old.picture, old.deactivated_at,
                    old.follower_count, old.following_count)
                is distinct from
                (new.name, new.about, new.title, new.department, new.picture, new.deactivated_at,
                    new.follower_count, new.following_count)
            )
            execute function notify_profiles();
        create trigger deleted_person_notifies_profiles after delete on person
            for each row execute function notify_profiles();
    """)
