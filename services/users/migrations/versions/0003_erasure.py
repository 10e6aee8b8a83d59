"""People who are erased, and what it takes to find their follows."""

from chassis import erasure
from chassis.database import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script(erasure.CREATE)
    run_script("""
        alter table person add column erased_at timestamptz;
        create index follow_ended on follow (followed_id) where not active;
    """)
