"""Parts of requests and responses that the APIs of all services share."""

from typing import Annotated, Literal

from fastapi import Path
from pydantic import BaseModel

from chassis.http.paging import MAX_ID

Id = Annotated[int, Path(ge=1, le=MAX_ID)]


class Ok(BaseModel):
    """The response of a call that returns no data."""

    result: Literal[True] = True
