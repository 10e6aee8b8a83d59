"""The errors that the feed's API reports to clients."""

from chassis.http.errors import Problem


class TweetNotFound(Problem):
    status = 404
    message = "This tweet doesn't exist."


class TweetWasDeleted(Problem):
    status = 404
    message = "This tweet was deleted."


class TweetHidden(Problem):
    status = 404
    message = "A moderator has hidden this tweet."


class AuthorLeft(Problem):
    status = 404
    message = "This tweet isn't available, because its author has left."


class SearchEmpty(Problem):
    status = 422
    message = "There is nothing to search for: type a word of at least one letter or digit."


class SearchTooLong(Problem):
    status = 422
    message = "A search can have at most {limit} words and filters."

    def __init__(self, limit: int) -> None:
        super().__init__(limit=limit)
        self.details = {"limit": limit}


class SearchPersonExpected(Problem):
    status = 422
    message = (
        '“{operator}:” needs a person: {operator}:me, {operator}:@name or {operator}:"A Name".'
    )


class SearchPersonUnknown(Problem):
    status = 422
    message = "Nobody here is called “{name}”."


class SearchPersonAmbiguous(Problem):
    status = 422
    message = "More than {limit} people are called “{name}”. Type more of the name."

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(name=name, limit=limit)
        self.details = {"limit": limit}


class SearchContentExpected(Problem):
    status = 422
    message = "“has:{value}” isn't known: write has:image or has:link."


class SearchKindExpected(Problem):
    status = 422
    message = "“is:{value}” isn't known: write is:reply."


class SearchDateExpected(Problem):
    status = 422
    message = (
        "“{operator}:{value}” has no date: write a day, a month or a year, such as"
        " {operator}:2026-11-29, or today, yesterday, week, month."
    )


class TimeZoneUnknown(Problem):
    status = 422
    message = "The time zone isn't known: use a name such as Europe/Moscow."
