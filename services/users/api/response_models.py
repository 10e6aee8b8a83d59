"""The shapes of people in responses."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..events import PicturePaths


def only_if_given(description: str) -> Any:
    """A field that is missing from the response if it is null: a client that does not know it sees
    what it saw before."""
    return Field(default=None, description=description, exclude_if=lambda value: value is None)


class UserView(BaseModel):
    id: int
    name: str


class ListedUserView(UserView):
    title: str | None = only_if_given("Missing if the person has none.")
    department: str | None = only_if_given("Missing if the person has none.")
    picture: PicturePaths | None = only_if_given("Missing if the person has none.")
    followed: bool
    """Whether the caller follows this person."""


class UserPage(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "result": True,
                    "users": [
                        {"id": 7, "name": "Анна Ким", "department": "Bridges", "followed": True}
                    ],
                    "next_cursor": None,
                }
            ]
        }
    )

    result: Literal[True] = True
    users: list[ListedUserView]
    next_cursor: str | None
