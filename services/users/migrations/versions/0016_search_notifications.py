"""Notifies the processes that cache searches for people of new people too, and of new search forms.

A new person is on no profile, but may be found by any search.
"""

from chassis.database.migrations import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_script("""
        create trigger new_person_notifies_profiles after insert on person
            for each row execute function notify_profiles();
        create or replace trigger person_notifies_profiles after update on person
            for each row when (
                (old.name, old.folded, old.about, old.title, old.department, old.picture,
                    old.deactivated_at, old.follower_count, old.following_count)
                is distinct from
                (new.name, new.folded, new.about, new.title, new.department, new.picture,
                    new.deactivated_at, new.follower_count, new.following_count)
            )
            execute function notify_profiles();
    """)
