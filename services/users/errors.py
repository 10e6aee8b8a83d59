"""The errors of users. The messages are shown to people."""

from chassis.http.errors import Problem


class UserNotFound(Problem):
    """The person does not exist or is deactivated. If that person is the caller, the API responds
    with 401 instead: see `api/user_not_found_handler.py`."""

    status = 404
    message = "This person doesn't exist, or has left."

    def __init__(self, user_id: int) -> None:
        super().__init__()
        self.user_id = user_id


class CannotFollowYourself(Problem):
    status = 409
    message = "You can't follow yourself."


class CannotDeactivateYourself(Problem):
    status = 409
    message = "You can't deactivate yourself. Ask another administrator."


class LastAdministrator(Problem):
    status = 409
    message = "This person is the last administrator. Make another person an administrator first."


class PersonErased(Problem):
    status = 409
    message = "This person was erased for good and can't come back. Register them as a new person."


class NotYourself(Problem):
    status = 403
    message = "You can erase only your own account, unless you're an administrator."


class CannotEraseYourself(Problem):
    status = 409
    message = "You can't erase yourself while you're an administrator. Ask another administrator."


class NameNotConfirmed(Problem):
    status = 409
    message = (
        "This isn't the person's name. Erasing can't be undone, so send the exact current name."
    )


class NotYourName(Problem):
    status = 403
    message = "You can change only your own name and profile, unless you're an administrator."


class RenamingNotAllowed(Problem):
    status = 403
    message = "Only administrators can change names here. Ask one of them."


class PositionChangeNotAllowed(Problem):
    status = 403
    message = "Only administrators can change titles and departments here. Ask one of them."


class NotYourKeys(Problem):
    status = 403
    message = (
        "You can see and change only your own keys and sessions, unless you're an administrator."
    )


class ScopeTooWide(Problem):
    status = 403
    message = "A key can't create, replace or revoke a key that allows more than it does."


class AccountScopeRequired(Problem):
    status = 403
    message = (
        "This key doesn't allow managing the account. Use a key with the scope `account`,"
        " such as the key that you sign in with."
    )


class KeyWouldOutliveYours(Problem):
    status = 403
    message = "A key can't create a key that lasts longer than it does. Your key expires on {end}."


class TooManyKeys(Problem):
    status = 409
    message = "A person can have up to {limit} keys. Revoke one that's no longer needed."


class NameNotAccepted(Problem):
    status = 422
    message = "A name has 1 to {limit} characters, at least one of them visible."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.details = {"limit": limit}


class ProfileTextNotAccepted(Problem):
    status = 422
    message = "This text has up to {limit} characters, and none that hides or reorders text."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.details = {"limit": limit}


class KeyNotFound(Problem):
    status = 404
    message = "This key doesn't exist."


class SessionNotFound(Problem):
    status = 404
    message = "This session doesn't exist."


class SessionEnded(Problem):
    status = 404
    message = "This session has ended or expired."


class KeyEnded(Problem):
    status = 404
    message = "This key was revoked or has expired."


class KeyTaken(Problem):
    status = 409
    message = "This key belongs to someone else."


class ImportNotAccepted(Problem):
    status = 422
    message = "{reason}"


class ImportHasErrors(Problem):
    status = 409
    message = "Some rows of the file have errors, so nothing was changed. Look at the preview."


class ImportOutdated(Problem):
    status = 409
    message = "The preview is out of date, so nothing was changed. Make a new one."


# Errors of single rows of an import.
class CellNotUnderstood(Problem):
    status = 422
    message = "This cell can be `true`, `false` or empty."


class ExternalIdTaken(Problem):
    status = 409
    message = "Another person has this external id."


class PersonRepeated(Problem):
    status = 409
    message = "An earlier row is about the same person."


class PersonNotActive(Problem):
    status = 409
    message = "A deactivated person gets no rights. Bring them back in the same row."


class NewcomerInactive(Problem):
    status = 409
    message = "Nobody has this id or external id, and a new person begins as active."


# The gateway receives these four, and words them for people: see gateway/invitations.py.
class InvitationNotFound(Problem):
    status = 404
    message = "This invitation doesn't exist."


class InvitationUsed(Problem):
    status = 409
    message = "This invitation was used."


class InvitationExpired(Problem):
    status = 409
    message = "This invitation has expired."


class InvitationRevoked(Problem):
    status = 409
    message = "This invitation was revoked."


class ProviderNotFound(Problem):
    status = 404
    message = "There is no such way to sign in here."


class SignOnUnavailable(Problem):
    status = 503
    message = "The company's sign-in service doesn't respond. Try again in a moment."
    headers = {"Retry-After": "5"}  # noqa: RUF012  the base class declares it


class SignOnExpired(Problem):
    status = 409
    message = "This sign-in took too long, was used before, or began in another browser. Try again."


class SignOnCancelled(Problem):
    status = 403
    message = "The company's sign-in service didn't sign you in."


class SignOnNotTrusted(Problem):
    status = 403
    message = (
        "The answer of the company's sign-in service failed a check, so nobody was signed in."
        " Tell an administrator if this happens again."
    )


class NotAdmitted(Problem):
    status = 403
    message = "Your account is in no group that may use Warble. Ask an administrator."


class TooManyGroups(Problem):
    status = 403
    message = (
        "Your account is in so many groups that the company's sign-in service doesn't list them."
        " An administrator can change that: see docs/sign-on.md."
    )


class NameNotSent(Problem):
    status = 403
    message = "The company's sign-in service sent no name for you. Ask an administrator."


class PersonDeactivated(Problem):
    status = 403
    message = "Your account was deactivated. Ask an administrator."


class IdentityTaken(Problem):
    status = 409
    message = "This company account is linked to someone else."


class AnotherIdentityLinked(Problem):
    status = 409
    message = "Another account of the same provider is linked to this person. Remove it first."


class IdentityNotFound(Problem):
    status = 404
    message = "No account of this provider is linked to this person."


class LogoutNotAccepted(Problem):
    """The response to the provider says no more than this; the log has the reason."""

    status = 400
    message = "The logout token isn't valid."
