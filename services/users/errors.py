"""What can go wrong with people, in words for people."""

from chassis.errors import Problem


class UserNotFound(Problem):
    """The person does not exist or is deactivated. Where that person is the caller, the API answers
    401 instead: see `api/callers.py`."""

    status = 404
    message = "There is no such person."

    def __init__(self, user_id: int) -> None:
        super().__init__()
        self.user_id = user_id


class CannotFollowYourself(Problem):
    status = 409
    message = "Nobody can follow themselves."


class CannotDeactivateYourself(Problem):
    status = 409
    message = "An administrator cannot deactivate themselves: ask another one."


class LastAdministrator(Problem):
    status = 409
    message = "This person is the last administrator: make another person an administrator first."


class NotYourself(Problem):
    status = 403
    message = "Only the person and an administrator may have a person erased."


class CannotEraseYourself(Problem):
    status = 409
    message = "An administrator cannot erase themselves: ask another one."


class NameNotConfirmed(Problem):
    status = 409
    message = "This is not the person's name. Erasing cannot be undone: give the name as it stands."


class NotYourName(Problem):
    status = 403
    message = "Only the person and an administrator may change a name."


class NotYourKeys(Problem):
    status = 403
    message = "Only the person and administrators may see and change a person's keys and sessions."


class ScopeTooWide(Problem):
    status = 403
    message = "A key cannot make, replace or revoke a key that may do more than itself."


class AccountScopeRequired(Problem):
    status = 403
    message = (
        "This key may not manage the account. Use a key with the scope `account`, such as the one"
        " that you sign in with."
    )


class KeyWouldOutliveYours(Problem):
    status = 403
    message = "A key cannot make a key that lasts longer than itself: yours ends on {end}."


class TooManyKeys(Problem):
    status = 409
    message = "A person has at most {limit} keys: revoke one that is not needed."


class NameNotAccepted(Problem):
    status = 422
    message = "A name has 1 to {limit} characters, at least one of them visible."


class KeyNotFound(Problem):
    status = 404
    message = "There is no such key."


class SessionNotFound(Problem):
    status = 404
    message = "There is no such session."


class SessionEnded(Problem):
    status = 404
    message = "This session was ended, or has expired."


class KeyEnded(Problem):
    status = 404
    message = "This key was revoked, or its time is over."


class KeyTaken(Problem):
    status = 409
    message = "This key belongs to someone else."
