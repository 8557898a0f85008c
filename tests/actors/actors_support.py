"""A small site by hand: accounts, posts and known things, one line each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tutela.actors.model import Account, Known, Observed, Post, Shown
from tutela.observation.model import MediaRole

BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
KEY = b"0123456789abcdef0123456789abcdef"


class Site:
    """What was seen, while a test makes it."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {}
        self.posts: list[Post] = []
        self.known: dict[str, tuple[Known, ...]] = {}

    def account(self, number: int, **values) -> int:
        values = {"site": 1, "handle": f"somebody{number}"} | values
        self.accounts[number] = Account(number, **values)
        return number

    def thing(self, name: str, severity: int = 2, *, source: str = "first", **values) -> str:
        self.known[name] = (Known(f"thing {name}", source, severity, **values),)
        return name

    def post(
        self,
        account: int,
        day: float,
        *media: str,
        hour: float = 12,
        role: MediaRole = MediaRole.POSTED,
        **values,
    ) -> int:
        if account not in self.accounts:
            self.account(account)
        values = {"views": 100, "text": f"a word of day {day}"} | values
        number = len(self.posts) + 1
        at = BEGIN + timedelta(days=day, hours=hour)
        shown = tuple(Shown(each, role) for each in media)
        self.posts.append(Post(id=number, account=account, at=at, shown=shown, **values))
        return number

    def steady(self, account: int, things: int = 20, every_days: float = 12, **values) -> None:
        """Let an account bring in known things over months, and talk beside it."""
        for number in range(things):
            name = self.thing(f"{account}.{number}", **values)
            self.post(account, number * every_days, name, hour=12 + number % 3)
            self.post(account, number * every_days + 1, hour=11 + number % 4)

    def seen(self, **values) -> Observed:
        until = BEGIN + timedelta(days=400)
        return Observed(
            accounts=tuple(self.accounts.values()),
            posts=tuple(self.posts),
            known=self.known,
            until=until,
            token_key=KEY,
            **values,
        )
