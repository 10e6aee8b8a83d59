"""Notifies an event's id after all changes that it made.

So a process that has received the id has received the notifications of the changes before.
"""

from chassis.database.migrations import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("""
        drop trigger inbox_notifies_readers on inbox;
        create constraint trigger inbox_notifies_readers after insert on inbox
            deferrable initially deferred for each row execute function notify_readers();
    """)
