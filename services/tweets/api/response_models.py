"""Parts of responses that several routes of tweets share."""

from pydantic import BaseModel


class PersonView(BaseModel):
    id: int
    name: str
