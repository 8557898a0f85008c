"""One installation in a folder of its own, reached as people reach it: commands and HTTP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyotp

from tutela.access import sessions
from tutela.access.sessions import State
from tutela.audit import verify
from tutela.core import settings as core_settings
from tutela.core.ids import AccountId
from tutela.core.settings import Settings
from tutela.store import Database

TUTELA = Path(sys.executable).with_name("tutela")
PATIENCE_S = 60
POLL_S = 0.01
PASSWORD = "four calm grey herons"


@dataclass
class Installed:
    """A home with settings, keys, vault and library; the database may be anywhere."""

    home: Path
    url: str
    port: int
    first_link: str = ""
    # What its processes are started by, such as the way into a network namespace.
    within: tuple[str, ...] = ()
    patience_s: float = PATIENCE_S * 2
    served: Served | None = field(default=None, repr=False)

    @classmethod
    def new(cls, home: Path, url: str) -> Installed:
        """Prepare an installation by `tutela init`."""
        port = free_port()
        made = cls(home, url, port)
        file = home / "config" / "tutela" / "tutela.toml"
        file.parent.mkdir(parents=True)
        file.write_text(
            f'[database]\nurl = "{url}"\n\n'
            f'[web]\nport = {port}\norigin = "http://localhost:{port}"\n\n'
            "[scan]\njobs = 2\n",
            encoding="utf-8",
        )
        words = ["--organisation", "Northshire Police", "--country", "GB", "--admin", "ann.lee"]
        made.first_link = link(made.run("init", *words).stdout)
        return made

    @property
    def environment(self) -> dict[str, str]:
        """What the processes of this installation are started with."""
        kinds = ("config", "data", "state", "cache")
        return os.environ | {f"XDG_{kind.upper()}_HOME": str(self.home / kind) for kind in kinds}

    @property
    def settings(self) -> Settings:
        """The settings that its processes read."""
        before = dict(os.environ)
        os.environ.update(self.environment)
        try:
            return core_settings.load()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def run(self, *words: object, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            [*self.within, TUTELA, *map(str, words)],
            capture_output=True,
            text=True,
            env=self.environment,
            check=False,
            timeout=self.patience_s,
        )
        assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
        return done

    def begin(self, *words: object) -> subprocess.Popen[bytes]:
        """Start a command that somebody else ends; what it complains of is in `complaints`."""
        with (self.home / "complaints").open("ab") as complaints:
            return subprocess.Popen(
                [*self.within, TUTELA, *map(str, words)],
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                env=self.environment,
            )

    @contextmanager
    def serving(self) -> Iterator[Served]:
        """Run `tutela serve` for a while."""
        served = Served(self)
        served.start()
        try:
            yield served
        finally:
            served.stop()

    def session(self, account_id: AccountId) -> str:
        """Open a session as signing in does, and return its token."""
        with Database(self.url) as database, database.write() as tx:
            return sessions.start(tx, account_id, State.ACTIVE, self.settings.web)

    def client(self, token: str = "") -> httpx.Client:
        """Return a browser without pages: it sends what our own pages make browsers send."""
        return httpx.Client(
            base_url=f"http://localhost:{self.port}",
            headers={"sec-fetch-site": "same-origin"},
            cookies={"tutela": token} if token else {},
            timeout=PATIENCE_S,
        )

    def assert_sound(self) -> None:
        """The log verifies to its last event, and the database says that it is sound."""
        with Database(self.url) as database, database.read() as tx:
            report = verify.verify(tx)
        assert report.findings == ()
        assert self.run("db", "check").stdout.startswith("sound")


@dataclass
class Served:
    """`tutela serve`, which can be killed and started again at the same address."""

    installed: Installed
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.process = self.installed.begin("serve")
        until(self._answers)

    def kill(self) -> None:
        """End it as a power cut would, and wait until nothing of it is left."""
        assert self.process is not None
        kill(self.process)

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_S)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"serve ended with {self.process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.installed.port)) == 0


def kill(process: subprocess.Popen[Any]) -> None:
    """Kill one process alone; what it had started must notice and end by itself."""
    family = descendants(process.pid)
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL, "it had ended before it was killed"
    until(lambda: not any(map(alive, family)))


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have started."""
    parents = {int(one.name): parent(int(one.name)) for one in Path("/proc").glob("[0-9]*")}
    found = [pid]
    for one in found:
        found += [child for child, its in parents.items() if its == one]
    return found[1:]


def parent(pid: int) -> int:
    return int((fields(pid) or ["", "0"])[1])


def alive(pid: int) -> bool:
    return (fields(pid) or "Z")[0] not in "ZX"


def fields(pid: int) -> list[str]:
    """Return what the system says about a process, behind its name; nothing if it is gone."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return status.rpartition(")")[2].split()


def until(true: Any, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition is true."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(POLL_S)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def link(text: str) -> str:
    """Return the path of the one-time link in a text."""
    found = re.search(r"/welcome/[\w-]+", text)
    assert found is not None, text
    return found.group()


def accept(client: httpx.Client, path: str) -> pyotp.TOTP:
    """Take an invitation up, as its page asks; the client is signed in afterwards."""
    page = client.get(path)
    assert page.status_code == 200
    secret = re.search(r'id="secret">([^<]+)<', page.text)[1].replace(" ", "")
    authenticator = pyotp.TOTP(secret)
    answer = client.post(path, data={"password": PASSWORD, "code": authenticator.now()})
    assert answer.status_code == 200, answer.text
    assert client.post(path, data={"password": PASSWORD, "code": "000000"}).status_code == 404
    return authenticator
