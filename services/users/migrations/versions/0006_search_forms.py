"""Does nothing any more: revision 0008 computes all search forms again, as this one once did."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
