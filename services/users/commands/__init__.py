"""Everything that changes people, their keys, their sessions and their follows.

A command runs in the transaction of its caller, who commits. It raises the errors of `errors`, and
records its events in the outbox.
"""

from .administrators import add_administrator, remove_administrator
from .follows import follow, unfollow
from .identities import link_identity, unlink_identity
from .invitations import (
    AcceptedInvitation,
    NewInvitation,
    accept_invitation,
    add_invitations,
    invite,
    revoke_invitations,
)
from .keys import (
    MAX_KEY_NAME_LENGTH,
    MAX_KEYS,
    NewKey,
    caller_key_expiry,
    grant_key,
    issue_key,
    mark_keys_revoked,
    new_key_expiry,
    replace_key,
    revoke_key,
    revoke_keys,
    rotate_key,
    touch_last_used,
)
from .locks import lock_administrators
from .people import (
    MAX_PROFILE_TEXTS,
    change_profile,
    deactivate_user,
    ensure_first_administrator,
    erase_again,
    erase_user,
    reactivate_user,
    register_user,
    rename_user,
    set_active,
)
from .provider_logouts import log_out
from .roles import give_role, take_role
from .sessions import end_session, end_session_by_digest, start_session, touch_session_last_used
from .sign_on import FLOW_LIFETIME, SignedOn, SignOnTerms, begin_flow, sign_on, take_flow

__all__ = [
    "FLOW_LIFETIME",
    "MAX_KEYS",
    "MAX_KEY_NAME_LENGTH",
    "MAX_PROFILE_TEXTS",
    "AcceptedInvitation",
    "NewInvitation",
    "NewKey",
    "SignOnTerms",
    "SignedOn",
    "accept_invitation",
    "add_administrator",
    "add_invitations",
    "begin_flow",
    "caller_key_expiry",
    "change_profile",
    "deactivate_user",
    "end_session",
    "end_session_by_digest",
    "ensure_first_administrator",
    "erase_again",
    "erase_user",
    "follow",
    "give_role",
    "grant_key",
    "invite",
    "issue_key",
    "link_identity",
    "lock_administrators",
    "log_out",
    "mark_keys_revoked",
    "new_key_expiry",
    "reactivate_user",
    "register_user",
    "remove_administrator",
    "rename_user",
    "replace_key",
    "revoke_invitations",
    "revoke_key",
    "revoke_keys",
    "rotate_key",
    "set_active",
    "sign_on",
    "start_session",
    "take_flow",
    "take_role",
    "touch_last_used",
    "touch_session_last_used",
    "unfollow",
    "unlink_identity",
]
