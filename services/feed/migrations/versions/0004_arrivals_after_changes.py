"""Of an event's arrival is told after all that it changed: who hears of it has heard of those."""

from chassis.database import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("""
        drop trigger inbox_notifies_readers on inbox;
        create constraint trigger inbox_notifies_readers after insert on inbox
            deferrable initially deferred for each row execute function notify_readers();
    """)
