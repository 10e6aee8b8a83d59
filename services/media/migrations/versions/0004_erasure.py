"""People who are erased, and what it takes to find their pictures."""

from chassis import erasure
from chassis.database import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("create index media_by_owner on media (owner_id, id);")
