"""Changing many people at once by a CSV file.

`plan` computes what each row would do, and changes nothing. `apply` computes the same plan again,
with all people of the file locked, and carries it out if its digest is the one of the plan that the
administrator has seen: it does exactly that, or nothing. It does everything in a few statements,
because a file may have thousands of rows. See docs/adr/0038.
"""

from .apply import Invited, apply
from .plan import Change, Plan, PlannedRow, RowAction, export, plan

__all__ = ["Change", "Invited", "Plan", "PlannedRow", "RowAction", "apply", "export", "plan"]
