"""How many examples a property test tries."""

from hypothesis import settings

MANY = "many"
"""The Hypothesis profile of `make test-slow`."""


def examples(many: int) -> int:
    """`many` in `make test-slow`, which repeats the tests marked `property`; a tenth otherwise."""
    return many if settings.get_current_profile_name() == MANY else max(many // 10, 3)
