"""The errors of media. The messages are shown to people."""

import math

from chassis.http.errors import PayloadTooLarge, Problem, megabytes


class MediaNotFound(Problem):
    status = 404
    message = "There is no such picture."


class ImageTooLarge(PayloadTooLarge):
    message = "The picture has {actual}. The limit is {limit}."


class ImageTooManyPixels(Problem):
    status = 413
    message = (
        "The picture has {actual} million pixels, counting all frames of an animation."
        " The limit is {limit} million."
    )

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=f"{limit / 1e6:,.6g}", actual=f"{math.ceil(actual / 1e5) / 10:,.6g}")
        self.details = {"limit": limit, "actual": actual}


class ImageTooManyFrames(Problem):
    status = 413
    message = "The animation has {actual} frames. The limit is {limit}."

    def __init__(self, limit: int, actual: int) -> None:
        super().__init__(limit=limit, actual=actual)
        self.details = {"limit": limit, "actual": actual}


class ImageTooCostly(Problem):
    status = 413
    message = (
        "Processing this picture would take more than {memory} of memory, {seconds} seconds of CPU"
        " time or {stored} of storage. Send a smaller or simpler picture."
    )

    def __init__(self, memory_bytes: int, seconds: int, stored_bytes: int) -> None:
        super().__init__(
            memory=megabytes(memory_bytes), seconds=seconds, stored=megabytes(stored_bytes)
        )
        self.details = {
            "memory_bytes": memory_bytes,
            "seconds": seconds,
            "stored_bytes": stored_bytes,
        }


class ImageNotAccepted(Problem):
    status = 415
    message = "This file is not a picture in a supported format. Send a JPEG, PNG, WebP or GIF."


class AltNotAccepted(Problem):
    status = 422
    message = (
        "A picture's description has at most {limit} characters, all of which can be displayed."
    )


class RangeNotSatisfiable(Problem):
    status = 416
    message = "The picture does not have the requested bytes."
