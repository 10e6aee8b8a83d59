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
    message = "This tweet isn't available, because its author has left."
