"""Media asks tweets about each picture once, and no longer hears which ones tweets have taken."""

from chassis.database import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("""
        create index media_unasked on media (uploaded_at)
            where expired_at is null and removed_at is null;
        drop index media_untaken;
    """)
