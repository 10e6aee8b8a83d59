"""What may be wrong with what a reader asks for."""

from chassis.errors import Problem


class TweetNotFound(Problem):
    status = 404
    message = "There is no such tweet."
