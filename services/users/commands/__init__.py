"""Everything that changes people, their keys and their follows."""

from .administrators import add_administrator, remove_administrator
from .follows import follow, unfollow
from .keys import (
    KEY_NAME_LENGTH,
    MOST_KEYS,
    NewKey,
    caller_key_expiry,
    expiry_within,
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
    ensure_first_administrator,
    erase_again,
    erase_user,
    register_user,
    rename_user,
)
from .sessions import end_session, end_session_by_digest, note_session_use, start_session

__all__ = [
    "KEY_NAME_LENGTH",
    "MOST_KEYS",
    "NewKey",
    "add_administrator",
    "caller_key_expiry",
    "deactivate_user",
    "end_session",
    "end_session_by_digest",
    "ensure_first_administrator",
    "erase_again",
    "erase_user",
    "expiry_within",
    "follow",
    "grant_key",
    "issue_key",
    "note_session_use",
    "note_use",
    "register_user",
    "remove_administrator",
    "rename_user",
    "replace_key",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "start_session",
    "unfollow",
]
