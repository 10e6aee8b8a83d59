"""Everything that changes people, their keys and their follows."""

from .follows import follow, unfollow
from .keys import (
    KEY_NAME_LENGTH,
    MOST_KEYS,
    NewKey,
    grant_key,
    issue_key,
    note_use,
    replace_key,
    revoke_key,
    revoke_keys,
    rotate_key,
)
from .people import (
    deactivate_user,
    ensure_administrator,
    erase_again,
    erase_user,
    register_user,
    rename_user,
)

__all__ = [
    "KEY_NAME_LENGTH",
    "MOST_KEYS",
    "NewKey",
    "deactivate_user",
    "ensure_administrator",
    "erase_again",
    "erase_user",
    "follow",
    "grant_key",
    "issue_key",
    "note_use",
    "register_user",
    "rename_user",
    "replace_key",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "unfollow",
]
