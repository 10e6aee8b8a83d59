"""The content of `make demo`: a firm of architects and engineers that writes in two languages."""

from .people import FOLLOWS, PEOPLE, TESTER, ExampleTweet
from .spring import SPRING
from .summer import SUMMER

__all__ = ["FOLLOWS", "PEOPLE", "TESTER", "TWEETS", "ExampleTweet"]

TWEETS = [*SPRING, *SUMMER]
"""Oldest first, in the order of posting."""
