"""Erasing a person from one service, without asking at every write whether its author is erased.

*Tombstone.* The handler of the event that starts an erasure calls `mark_erased`, which inserts a
row into the table `erasure`: the person's id, for ever. Handlers of other events ask `is_erased`
and drop what arrives late. Events come in any order, so without the tombstone a late one would
bring data of the person back.

*Sweep.* A job in each worker (`Eraser.job`) takes people whose row is due and deletes what the
service holds of them, one bounded batch per transaction. The service supplies the function that
deletes a batch. The job also overwrites the person's texts in stored events and removes the
person's messages from the dead letters. One worker at a time erases a person: it holds a lease on
the row, which each batch renews, and which expires if the worker dies, so that another worker
continues.

*Grace period.* For a few minutes after the erasure began, data of the person can still arrive: an
identity that the gateway has just signed, an upload in progress, an event between two attempts. So
the job runs a last pass once GRACE_PERIOD is over, and only then is the erasure finished. This is
why commands need no check. See docs/adr/0021.
"""

from chassis.privacy.erasure.erasure_table import CREATE, define, is_erased, mark_erased
from chassis.privacy.erasure.job import BATCH, GRACE_PERIOD, CleanUp, Eraser, Redaction, Sweep
from chassis.privacy.erasure.purge_dead_letters import DeadLetters

__all__ = [
    "BATCH",
    "CREATE",
    "GRACE_PERIOD",
    "CleanUp",
    "DeadLetters",
    "Eraser",
    "Redaction",
    "Sweep",
    "define",
    "is_erased",
    "mark_erased",
]
