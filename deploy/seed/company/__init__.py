"""The demonstration's company: an architects' and engineers' firm that writes in two languages."""

from .people import FOLLOWS, PEOPLE, TESTER, Said
from .spring import SPRING
from .summer import SUMMER

__all__ = ["FOLLOWS", "PEOPLE", "TESTER", "TWEETS", "Said"]

TWEETS = [*SPRING, *SUMMER]
"""The oldest first, as they are posted."""
