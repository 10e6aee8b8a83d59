"""Lets processes that wake the relay after the commit skip the trigger that does so within it."""

from chassis.database.migrations import run_script
from chassis.messaging import outbox

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script(outbox.WAKE_RELAY_ONLY_IF_NECESSARY)
