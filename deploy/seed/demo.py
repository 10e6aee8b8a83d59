"""`python -m deploy.seed.demo`: a small company to look at, sent through the public API.

What is there already is found and left alone.
"""

import asyncio
import json
import subprocess
import sys

from rich.console import Console
from rich.markup import escape

from deploy.local.instance import BadSettings, Instance
from deploy.local.keys import write_private

from . import company, drawings
from .client import Client, NotUp, Refused, Registered
from .progress import Progression

KEY = "test"


class NotGranted(Exception):
    """The weak key could not be given; the message says why."""


class Demo:
    def __init__(self, client: Client, console: Console) -> None:
        self._client = client
        self._console = console
        self._shown = Progression(console)
        self._file = client.instance.root / "demo.json"
        self._people: dict[str, Registered] = {}
        self._renewed: list[str] = []

    async def make(self) -> int:
        """The id of the person with the weak key."""
        await self._gather_people()
        await self._follow()
        await self._like(await self._post())
        if self._renewed:
            names = ", ".join(company.PEOPLE[name] for name in self._renewed)
            self._console.print(
                f"\nNo working key was in {self._file} for these people. They have new keys now, "
                f"their old ones ended: {names}.",
                highlight=False,
                markup=False,
            )
        tester = self._people[company.TESTER]
        await asyncio.to_thread(_grant, self._client.instance, tester.id)
        return tester.id

    async def _gather_people(self) -> None:
        """Everyone's id and key: kept from the last run, or made, or made anew."""
        kept = json.loads(self._file.read_text()) if self._file.exists() else {}
        with self._shown.stage("people", len(company.PEOPLE)) as meter:
            for name, full_name in company.PEOPLE.items():
                user_id = await self._client.find_user(full_name)
                if user_id is None:
                    person = await self._client.register(full_name)
                elif await self._belongs(kept.get(name), user_id):
                    person = Registered(user_id, kept[name]["key"])
                else:
                    person = await self._client.rotate_key(user_id)
                    self._renewed.append(name)
                self._people[name] = person
                kept[name] = {"id": person.id, "key": person.key}
                # Written after each, so that an interrupted run loses no key.
                write_private(self._file, json.dumps(kept, indent=1))
                meter.advance()

    async def _belongs(self, kept: dict[str, str] | None, user_id: int) -> bool:
        """Whether the kept key is this person's still."""
        if kept is None:
            return False
        try:
            return bool((await self._client.whoami(kept["key"]))["id"] == user_id)
        except Refused as error:
            if error.status == 401:
                return False
            raise

    async def _follow(self) -> None:
        follows = [(one, name) for one, all_ in company.FOLLOWS.items() for name in all_.split()]
        with self._shown.stage("follows", len(follows)) as meter:
            for follower, followed in follows:
                await self._client.follow(self._people[follower].key, self._people[followed].id)
                meter.advance()

    async def _post(self) -> list[int]:
        there: dict[tuple[str, str], int] = {}
        for name, person in self._people.items():
            async for tweet in self._client.tweets_of(person.key, person.id):
                there[name, tweet["content"]] = tweet["id"]
        found = [there.get((said.author, said.text)) for said in company.TWEETS]
        before = len(found) - found.count(None)
        tweet_ids = []
        with self._shown.stage("tweets", len(found), before) as meter:
            # One after another: the order in which they are read is the order of posting.
            for said, tweet_id in zip(company.TWEETS, found, strict=True):
                if tweet_id is not None:
                    tweet_ids.append(tweet_id)
                    continue
                tweet_ids.append(await self._say(said))
                meter.advance()
        return tweet_ids

    async def _say(self, said: company.Said) -> int:
        key = self._people[said.author].key
        pictures = []
        for name in said.drawings:
            picture = await asyncio.to_thread(drawings.png, name)
            shown = drawings.SHOWN[name]
            pictures.append(await self._client.upload(key, picture, f"{name}.png", shown))
        return await self._client.post(key, said.text, pictures)

    async def _like(self, tweets: list[int]) -> None:
        likes = [
            (name, tweet_id)
            for said, tweet_id in zip(company.TWEETS, tweets, strict=True)
            for name in said.likers()
        ]
        with self._shown.stage("likes", len(likes)) as meter:
            for name, tweet_id in likes:
                await self._client.like(self._people[name].key, tweet_id)
                meter.advance()


def _grant(instance: Instance, user_id: int) -> None:
    """The one weak key there is: no call of the API would take it, an operator may.

    Raises NotGranted.
    """
    ran = subprocess.run(
        [sys.executable, "-m", "services.users.console",
         "grant-key", "--user", str(user_id), "--key", KEY],
        env=instance.service_environment("users"),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if ran.returncode:
        reason = ran.stderr.strip().rpartition("\n")[2]
        raise NotGranted(f"The key `{KEY}` could not be given: {reason}")


def _farewell(instance: Instance, user_id: int) -> str:
    url = instance.gateway_url
    if instance.given.get("USERS_ADMIN_KEY"):
        admin_key = "$USERS_ADMIN_KEY"
    else:
        admin_key = f"$(cat '{instance.root / 'admin.key'}')"
    return f"""
{company.PEOPLE[company.TESTER]} has the key `{KEY}`: for demonstration only, anyone can guess it.
To take it away, with her other keys (the next `make demo` gives it back):
  curl -X DELETE -H "api-key: {admin_key}" {url}/api/users/{user_id}/key
The others' keys lie in {instance.root / "demo.json"}.

Open  {url} and sign in with it; the API is at {url}/docs
Try   curl -H 'api-key: {KEY}' '{url}/api/tweets?offset=1&limit=3'
      curl -H 'api-key: {KEY}' {url}/api/users/me
      curl -H 'api-key: {KEY}' '{url}/api/tweets?scope=everyone&order=recent&limit=3'"""


async def run(console: Console) -> None:
    async with Client() as client:
        user_id = await Demo(client, console).make()
        console.print(_farewell(client.instance, user_id), highlight=False, markup=False)


def main() -> int:
    console = Console(soft_wrap=True)
    complaints = Console(soft_wrap=True, stderr=True, highlight=False)
    try:
        asyncio.run(run(console))
    except (NotUp, NotGranted, Refused, BadSettings) as error:
        complaints.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        complaints.print("Stopped. Run it again: what is there is not made twice.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
