"""`python -m deploy.seed.demo`: a small company to look at, sent through the public API.

What is there already is found and left alone.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from deploy.local.instance import BadSettings, Instance

from . import company, drawings
from .client import Client, NotUp, Refused, Registered

KEY = "test"


class Demo:
    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self._file = client.instance.root / "demo.json"
        self._people: dict[str, Registered] = {}

    async def make(self) -> None:
        await self._gather_people()
        self._grant(self._people[company.TESTER].id)
        for follower, followed in company.FOLLOWS.items():
            for name in followed.split():
                await self._client.follow(self._people[follower].key, self._people[name].id)
        self._done("people follow each other")
        tweets = await self._post()
        for said, tweet_id in zip(company.TWEETS, tweets, strict=True):
            likers = [*company.PEOPLE] if said.liked_by == "all" else said.liked_by.split()
            for name in likers:
                if name != said.author:
                    await self._client.like(self._people[name].key, tweet_id)
        self._done("likes")

    def _done(self, what: str) -> None:
        self._console.print(f"[green]✓[/] {what}", highlight=False)

    async def _gather_people(self) -> None:
        """Everyone's id and key: kept from the last run, or made, or made anew."""
        kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        for name, full_name in company.PEOPLE.items():
            user_id = await self._client.find_user(full_name)
            if user_id is None:
                person = await self._client.register(full_name)
            elif kept.get(name, {}).get("id") == user_id and await self._works(kept[name]["key"]):
                person = Registered(user_id, kept[name]["key"])
            else:
                person = await self._client.rotate_key(user_id)
            self._people[name] = person
            kept[name] = {"id": person.id, "key": person.key}
            _write(self._file, json.dumps(kept, indent=1))
        self._done(f"{len(self._people)} people")

    async def _works(self, key: str) -> bool:
        try:
            await self._client.whoami(key)
        except Refused:
            return False
        return True

    def _grant(self, user_id: int) -> None:
        """The one weak key there is: no call of the API would take it, an operator may."""
        ran = subprocess.run(
            [sys.executable, "-m", "services.users.console",
             "grant-key", "--user", str(user_id), "--key", KEY],
            env=self._client.instance.service_environment("users"),
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if ran.returncode:
            raise NotUp(f"The key {KEY!r} could not be given: {ran.stderr.strip()}")
        self._done(f"{company.PEOPLE[company.TESTER]} has the key `{KEY}`")

    async def _post(self) -> list[int]:
        there: dict[str, dict[str, int]] = {}
        for name, person in self._people.items():
            tweets = self._client.tweets_of(person.key, person.id)
            there[name] = {tweet["content"]: tweet["id"] async for tweet in tweets}
        tweet_ids = []
        for number, said in enumerate(company.TWEETS, 1):
            person = self._people[said.author]
            tweet_id = there[said.author].get(said.text)
            if tweet_id is None:
                pictures = [
                    await self._client.upload(person.key, drawings.png(drawing), f"{drawing}.png")
                    for drawing in said.drawings
                ]
                tweet_id = await self._client.post(person.key, said.text, pictures)
            tweet_ids.append(tweet_id)
            if self._console.is_terminal:
                self._console.print(f"  {number} of {len(company.TWEETS)} tweets", end="\r")
        self._done(f"{len(tweet_ids)} tweets")
        return tweet_ids


def _write(file: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    draft = file.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    draft.replace(file)


def _farewell(instance: Instance, console: Console, user_id: int) -> None:
    url = instance.gateway_url
    console.print(
        f"""
The key `{KEY}` is for demonstration only: anyone can guess it. To take it away again:
  curl -X DELETE -H "api-key: $(cat {instance.root / "admin.key"})" {url}/api/users/{user_id}/key
(`make demo` gives it back.)

Look at   {url}/docs
Try       curl -H "api-key: {KEY}" "{url}/api/tweets?limit=3&offset=1"
          curl -H "api-key: {KEY}" {url}/api/users/me""",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


async def run(console: Console) -> None:
    async with Client() as client:
        demo = Demo(client, console)
        await demo.make()
        tester = await client.find_user(company.PEOPLE[company.TESTER])
        assert tester is not None
        _farewell(client.instance, console, tester)


def main() -> int:
    console = Console()
    try:
        asyncio.run(run(console))
    except (NotUp, Refused, BadSettings) as error:
        console.print(f"[red]✗[/] {error}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped. Run it again: what is there is not made twice.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
