"""The few variables that every process inherits from the shell, such as PATH and LANG.

Programs of an instance get these and what is meant for them, and nothing else of the shell.
"""

import os

_NAMES = ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "USER", "LOGNAME")
_PREFIXES = ("LC_", "SSL_", "REQUESTS_CA_")


def is_inherited(variable: str) -> bool:
    """Whether it is such a variable: it configures no part of Warble and holds no secret."""
    return variable in _NAMES or variable.startswith(_PREFIXES)


def inherited_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if is_inherited(name)}
