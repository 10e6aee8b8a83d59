"""Fills an empty system with a small example company, through the public API.

Running it again adds only what is missing: people are found by name, tweets by author and text.
"""

import asyncio
import json
import subprocess
import sys

from rich.console import Console
from rich.markup import escape

from devstack.instance import BadSettings, Instance
from devstack.keys import write_private
from tools.api_client import ATTEMPTS, Api, ApiError, GatewayUnreachable, Person, api_of

from . import company, pictures
from .progress import stage

KEY = "test"


class KeyNotGranted(Exception):
    """The key `test` could not be granted. The message says why."""


class Demo:
    def __init__(self, api: Api, console: Console) -> None:
        self._api = api
        self._console = console
        self._accounts_file = api.instance.root / "demo.json"
        self._accounts: dict[str, Person] = {}
        self._people_with_new_keys: list[str] = []

    async def create(self) -> int:
        """Returns the id of the person with the key `test`. Raises KeyNotGranted."""
        await self._create_people()
        await self._create_follows()
        await self._create_likes(await self._create_tweets())
        if self._people_with_new_keys:
            names = ", ".join(company.PEOPLE[name] for name in self._people_with_new_keys)
            self._console.print(
                f"\n{self._accounts_file} contained no valid key of these people, so they got new "
                f"ones and their old keys were revoked: {names}.",
                highlight=False,
                markup=False,
            )
        tester = self._accounts[company.TESTER]
        await asyncio.to_thread(_grant_key, self._api.instance, tester.id)
        return tester.id

    async def _create_people(self) -> None:
        """Collects everyone's id and key: stored by an earlier run, new, or replaced."""
        file = self._accounts_file
        stored = json.loads(file.read_text()) if file.exists() else {}
        with stage(self._console, "people", len(company.PEOPLE)) as progress:
            for name, full_name in company.PEOPLE.items():
                user_id = await self._api.find(full_name)
                if user_id is None:
                    account = await self._api.hire(full_name)
                elif await self._is_valid(stored.get(name), user_id):
                    account = self._api.person(user_id, full_name, stored[name]["key"])
                else:
                    account = await self._api.renew(user_id, full_name)
                    self._people_with_new_keys.append(name)
                self._accounts[name] = account
                stored[name] = {"id": account.id, "key": account.key}
                # Written after each person, so that an interrupted run loses no key.
                write_private(file, json.dumps(stored, indent=1))
                progress.advance()

    async def _is_valid(self, stored: dict[str, str] | None, user_id: int) -> bool:
        """Whether the stored key still works and belongs to this person."""
        if stored is None:
            return False
        try:
            owner = self._api.person(user_id, "", stored["key"])
            return bool((await owner.done("GET", "/api/users/me"))["user"]["id"] == user_id)
        except ApiError as error:
            if error.status == 401:
                return False
            raise

    async def _create_follows(self) -> None:
        follows = [
            (follower, followed)
            for follower, names in company.FOLLOWS.items()
            for followed in names.split()
        ]
        with stage(self._console, "follows", len(follows)) as progress:
            for follower, followed in follows:
                await self._accounts[follower].follow(self._accounts[followed])
                progress.advance()

    async def _create_tweets(self) -> list[int]:
        """Returns the ids of all example tweets, in their order."""
        existing: dict[tuple[str, str], int] = {}
        for name, account in self._accounts.items():
            async for posted in account.tweets_of(account.id, replies="all"):
                existing[name, posted["content"]] = posted["id"]
        named: dict[str, int] = {}
        ids = [existing.get((tweet.author, tweet.text)) for tweet in company.TWEETS]
        tweet_ids = []
        before = len(ids) - ids.count(None)
        with stage(self._console, "tweets", len(ids), before) as progress:
            # One after another, because a feed shows tweets in the order of posting.
            for tweet, existing_id in zip(company.TWEETS, ids, strict=True):
                tweet_id = existing_id
                if tweet_id is None:
                    tweet_id = await self._post(tweet, named.get(tweet.reply_to))
                    progress.advance()
                if tweet.name:
                    named[tweet.name] = tweet_id
                tweet_ids.append(tweet_id)
        return tweet_ids

    async def _post(self, tweet: company.ExampleTweet, reply_to: int | None) -> int:
        author = self._accounts[tweet.author]
        media_ids = [
            await author.upload(
                pictures.read(name), f"{name}.webp", alt=pictures.DESCRIPTIONS[name]
            )
            for name in tweet.pictures
        ]
        return await author.post(tweet.text, media_ids, reply_to=reply_to)

    async def _create_likes(self, tweet_ids: list[int]) -> None:
        likes = [
            (name, tweet_id)
            for tweet, tweet_id in zip(company.TWEETS, tweet_ids, strict=True)
            for name in tweet.likers()
        ]
        with stage(self._console, "likes", len(likes)) as progress:
            for name, tweet_id in likes:
                await self._accounts[name].like(tweet_id)
                progress.advance()


def _grant_key(instance: Instance, user_id: int) -> None:
    """Sets the weak key with the operator's console: the API accepts no chosen keys.

    Raises KeyNotGranted.
    """
    result = subprocess.run(
        [sys.executable, "-m", "services.users.console",
         "grant-key", "--user", str(user_id), "--key", KEY],
        env=instance.service_environment("users"),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    if result.returncode:
        reason = result.stderr.strip().rpartition("\n")[2]
        raise KeyNotGranted(f"The key `{KEY}` could not be granted: {reason}")


def _next_steps(instance: Instance, user_id: int) -> str:
    url = instance.gateway_url
    if instance.settings.get("USERS_ADMIN_KEY"):
        admin_key = "$USERS_ADMIN_KEY"
    else:
        admin_key = f"$(cat '{instance.root / 'admin.key'}')"
    return f"""
{company.PEOPLE[company.TESTER]} has the key `{KEY}`. Anyone can guess it, so use it for
demonstrations only. To revoke it, with all other keys of this person (until the next `make demo`):
  curl -X DELETE -H "api-key: {admin_key}" {url}/api/users/{user_id}/key
The keys of the other people are in {instance.root / "demo.json"}.

Open  {url} and sign in with the key `{KEY}`. The API is documented at {url}/docs
Try   curl -H 'api-key: {KEY}' '{url}/api/tweets?offset=1&limit=3'
      curl -H 'api-key: {KEY}' {url}/api/users/me
      curl -H 'api-key: {KEY}' '{url}/api/tweets?scope=everyone&order=recent&limit=3'"""


async def run(console: Console) -> None:
    async with api_of(Instance.from_environment(), ATTEMPTS) as api:
        user_id = await Demo(api, console).create()
        console.print(_next_steps(api.instance, user_id), highlight=False, markup=False)


def main() -> int:
    console = Console(soft_wrap=True)
    error_console = Console(soft_wrap=True, stderr=True, highlight=False)
    try:
        asyncio.run(run(console))
    except (GatewayUnreachable, KeyNotGranted, ApiError, BadSettings) as error:
        error_console.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        error_console.print("Interrupted. Run the command again to add what is missing.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
