"""The errors of a sign-on. Most of them are shown by the page, in the person's language."""

from types import MappingProxyType

from chassis.http.errors import Problem


class ProviderNotFound(Problem):
    status = 404
    message = "There is no such way to sign in here."


class SignOnUnavailable(Problem):
    status = 503
    message = "The company's sign-in service doesn't respond. Try again in a moment."
    headers = MappingProxyType({"Retry-After": "5"})


class AccountScopeRequired(Problem):
    status = 403
    message = "This key doesn't allow managing the account."


class LogoutNotAccepted(Problem):
    status = 400
    message = "The logout token isn't valid."


class SignOnExpired(Problem):
    status = 409
    message = "This sign-in took too long, was used before, or began in another browser. Try again."


class SignOnCancelled(Problem):
    status = 403
    message = "The company's sign-in service didn't sign you in."


class SignOnNotTrusted(Problem):
    status = 403
    message = "The answer of the company's sign-in service failed a check."


class NotAdmitted(Problem):
    status = 403
    message = "Your account is in no group that may use Warble. Ask an administrator."


class TooManyGroups(Problem):
    status = 403
    message = "Your account is in so many groups that they weren't sent."


class NameNotSent(Problem):
    status = 403
    message = "The company's sign-in service sent no name for you."


class PersonDeactivated(Problem):
    status = 403
    message = "Your account was deactivated. Ask an administrator."


class IdentityTaken(Problem):
    status = 409
    message = "This company account is linked to someone else."


class AnotherIdentityLinked(Problem):
    status = 409
    message = "Another account of the same provider is linked to you."


ERRORS_OF_USERS: dict[str, type[Problem]] = {
    problem.__name__: problem
    for problem in (
        ProviderNotFound,
        SignOnUnavailable,
        LogoutNotAccepted,
        SignOnExpired,
        SignOnCancelled,
        SignOnNotTrusted,
        NotAdmitted,
        TooManyGroups,
        NameNotSent,
        PersonDeactivated,
        IdentityTaken,
        AnotherIdentityLinked,
    )
}
"""By the name in the response of users. All but the first three are shown by the page."""
