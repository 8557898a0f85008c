"""A private Tor network in a network namespace: nothing of it can leave, and nothing is reached.

Three authorities, three relays, an exit and a tor that hosts onion services, all on the namespace's
loopback. Programs run in it with `run` and `popen`; a client's tor is started in it by `settings`,
and its unix sockets lead in from outside, since a path is no matter of networks.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tutela.fetch.tor import TorSettings

PORTS = range(9001, 9007)
BOOT_S = 120.0
# Votes every 5 s first, then every 10 s. Long rounds are no gain: a relay that misses a vote waits
# for a whole one.
_COMMON = """
TestingTorNetwork 1
AssumeReachable 1
TestingV3AuthInitialVotingInterval 5
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
PathsNeededToBuildCircuits 0.67
OutboundBindAddress 127.0.0.1
"""
_SERVER = """
SocksPort 0
ShutdownWaitLength 0
Address 127.0.0.1
ContactInfo nobody@invalid
Log notice stdout
"""
_AUTHORITY = """
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ExitRelay 0
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
"""
_EXIT = """
ExitRelay 1
ExitPolicyRejectPrivate 0
ExitPolicyRejectLocalInterfaces 0
ExitPolicy accept *:*
ServerDNSAllowBrokenConfig 1
ServerDNSDetectHijacking 0
"""
_NAMES = ("auth0", "auth1", "auth2", "relay0", "relay1", "relay2", "exit0")


@dataclass
class TorNetwork:
    """A network that runs; `onions` says which address leads to which of the PORTS."""

    folder: Path
    space: str
    authorities: str = ""
    onions: dict[int, str] = field(default_factory=dict)
    boot_seconds: float = 0.0
    _children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _control: Control | None = None

    @property
    def within(self) -> tuple[str, ...]:
        """The words that start a command in the network."""
        return ("ip", "netns", "exec", self.space)

    def run(self, *words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a program in the network to its end."""
        command = [*self.within, *map(str, words)]
        settings = {"capture_output": True, "text": True, "timeout": 120, **options}
        return subprocess.run(command, check=True, **settings)

    def popen(self, *words: str | Path, **options: object) -> subprocess.Popen[bytes]:
        """Start a program in the network; it is killed with it."""
        child = subprocess.Popen([*self.within, *map(str, words)], **options)
        self._children.append(child)
        return child

    def serve(self, script: Path, port: int, *words: str) -> subprocess.Popen[bytes]:
        """Start a Python script that serves on `port`, its first word, and wait until it does."""
        child = self.popen(sys.executable, script, str(port), *words)
        listening = re.compile(rf"^ *\d+: \S+:{port:04X} \S+ 0A ", re.MULTILINE)
        for _ in range(500):
            assert child.poll() is None, f"{script} ended"
            with contextlib.suppress(OSError):
                # The table of the namespace that the process is in, once it is.
                table = Path(f"/proc/{child.pid}/net/tcp").read_text()
                other = Path("/proc/self/net/tcp").read_text()
                if table != other and listening.search(table):
                    return child
            time.sleep(0.02)
        raise AssertionError(f"nothing serves on port {port}")

    @contextlib.contextmanager
    def serving(self, script: Path, port: int, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Serve as `serve` does, until the block ends."""
        child = self.serve(script, port, *words)
        try:
            yield child
        finally:
            child.kill()
            child.wait(10)
            self._children.remove(child)

    def onion(self, port: int, virtual_port: int = 80, flags: str = "Detach") -> str:
        """Lead a new onion address to a local port, and return it once it is announced."""
        assert self._control
        flags = f"Flags={flags}"
        said = self._control.ask(f"ADD_ONION NEW:ED25519-V3 {flags} Port={virtual_port},{port}")
        name = said[0].removeprefix("ServiceID=")
        self._control.announced(name)
        return f"{name}.onion"

    def withdraw(self, address: str) -> None:
        """Take an onion service down; its descriptor stays known for a while."""
        assert self._control
        self._control.ask(f"DEL_ONION {address.removesuffix('.onion')}")

    def settings(self, folder: Path, *lines: str, boot_s: float = BOOT_S) -> TorSettings:
        """Return how a client's tor is started in the network."""
        return TorSettings(
            folder=folder,
            command=(*self.within, "tor"),
            lines=(*_COMMON.split("\n"), *self.authorities.split("\n"), *lines),
            boot_s=boot_s,
        )

    def start(self) -> None:
        """Start what is not a client, and wait until each has heard of the others."""
        begin = time.monotonic()
        for place, name in enumerate(_NAMES):
            self._spawn(name, self._server(place, name))
        self._await_consensus(begin + BOOT_S)
        self._spawn(
            "host",
            f"{_COMMON}{self.authorities}SocksPort 0\nLog notice stdout\n"
            f"ControlSocket {self.folder}/control\n",
        )
        self._control = Control(self.folder / "control", begin + BOOT_S)
        for port in PORTS:
            said = self._control.ask(f"ADD_ONION NEW:ED25519-V3 Flags=Detach Port=80,{port}")
            self.onions[port] = said[0].removeprefix("ServiceID=") + ".onion"
        for address in self.onions.values():
            self._control.announced(address.removesuffix(".onion"))
        self.boot_seconds = time.monotonic() - begin

    def _server(self, place: int, name: str) -> str:
        settings = f"{_COMMON}{_SERVER}{self.authorities}Nickname {name}\nORPort {5100 + place}\n"
        if name.startswith("auth"):
            return f"{settings}{_AUTHORITY}DirPort {7100 + place}\n"
        return settings + (_EXIT if name.startswith("exit") else "ExitRelay 0\n")

    def _spawn(self, name: str, settings: str) -> None:
        data = self.folder / name
        data.mkdir(mode=0o700, exist_ok=True)
        file = self.folder / f"{name}.torrc"
        owner = f"__OwningControllerProcess {os.getpid()}\n"
        file.write_text(f"DataDirectory {data}\n{settings}{owner}")
        with (self.folder / f"{name}.log").open("wb") as log:
            # The log must not be closed before the child has it.
            self.popen(
                *("tor", "-f", file, "--defaults-torrc", data / "none"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await_consensus(self, until: float) -> None:
        """Wait until all authorities have a consensus that lists every relay."""
        files = [self.folder / f"auth{i}" / "cached-microdesc-consensus" for i in range(3)]
        while not all(_lists_all(file) for file in files):
            ended = [child.args for child in self._children if child.poll() is not None]
            assert not ended, f"{ended} ended; see {self.folder}"
            assert time.monotonic() < until, f"no consensus; see {self.folder}"
            time.sleep(0.2)

    def stop(self) -> None:
        """Kill everything."""
        if self._control:
            self._control.close()
        for child in self._children:
            child.kill()
        for child in self._children:
            child.wait(10)


class Control:
    """A control connection of the tor that hosts onion services (control-spec)."""

    def __init__(self, path: Path, until: float) -> None:
        self._begun: Counter[str] = Counter()
        self._done: Counter[str] = Counter()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        # The socket is there a moment before anybody listens.
        while self._socket.connect_ex(str(path)):
            assert time.monotonic() < until, "the host of the onion services does not start"
            time.sleep(0.05)
        self._lines = self._socket.makefile("r", newline="\r\n")
        self.ask("AUTHENTICATE")
        self.ask("SETEVENTS HS_DESC")

    def ask(self, command: str) -> list[str]:
        """Give a command; return the lines of its answer without their codes."""
        self._socket.sendall(f"{command}\r\n".encode())
        said = []
        while True:
            line = self._lines.readline().strip()
            if self._event(line):
                continue
            assert line.startswith("250"), (command.split(maxsplit=1)[0], line)
            said.append(line[4:])
            while line[3] == "+" and (more := self._lines.readline().strip()) != ".":
                said.append(more)
            if line[3] == " ":
                return said

    def announced(self, name: str) -> None:
        """Wait until the descriptors of an onion service lie with all directories asked to."""
        while not self._done[name] or self._done[name] < self._begun[name]:
            self._event(self._lines.readline().strip())

    def _event(self, line: str) -> bool:
        found = re.match(r"650 HS_DESC (UPLOAD|UPLOADED|FAILED) (\S+)", line)
        if found:
            (self._begun if found[1] == "UPLOAD" else self._done)[found[2]] += 1
        return line.startswith("650")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def _lists_all(file: Path) -> bool:
    with contextlib.suppress(OSError):
        text = file.read_text(errors="replace")
        return len(re.findall(r"^r ", text, re.MULTILINE)) == len(_NAMES) and "\ns " in text
    return False


def make_keys(folder: Path) -> str:
    """Make the authorities' keys, and return the lines that name them; seconds of work."""

    def make(place: int) -> str:
        data = folder / f"auth{place}"
        (data / "keys").mkdir(parents=True, mode=0o700)
        data.chmod(0o700)
        certificate = data / "keys" / "authority_certificate"
        subprocess.run(
            [
                *("tor-gencert", "--create-identity-key", "-m", "12"),
                *("-a", f"127.0.0.1:{7100 + place}", "--passphrase-fd", "0"),
                *("-i", data / "keys" / "authority_identity_key"),
                *("-s", data / "keys" / "authority_signing_key", "-c", certificate),
            ],
            input=b"invented\n",
            check=True,
            capture_output=True,
        )
        found = re.search(r"^fingerprint (\w+)", certificate.read_text(), re.MULTILINE)
        words = ["--list-fingerprint", "--orport", "1", "--nickname", "auth"]
        said = subprocess.run(
            ["tor", "--quiet", "--datadirectory", data, "-f", "-", *words],
            input="",
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        relay = said.splitlines()[-1].partition(" ")[2]
        assert found, "tor-gencert made no certificate"
        return (
            f"DirAuthority auth{place} orport={5100 + place} no-v2 v3ident={found[1]} "
            f"127.0.0.1:{7100 + place} {relay}\n"
        )

    with ThreadPoolExecutor(3) as pool:
        return "".join(pool.map(make, range(3)))


@contextlib.contextmanager
def network(keys: Path | None = None) -> Iterator[TorNetwork]:
    """Start a network and take everything away at the end.

    `keys` is where the authorities' keys are, or are put, for another start.
    """
    assert shutil.which("tor"), "tor is not installed: apt-get install tor"
    assert shutil.which("ip"), "iproute2 is not installed: apt-get install iproute2"
    folder = Path(tempfile.mkdtemp(prefix="tutela-tornet-"))
    made = TorNetwork(folder, f"tor{uuid.uuid4().hex[:8]}")
    try:
        made.authorities = _keys(folder, keys)
        for words in (("netns", "add", made.space), ("-n", made.space, "link", "set", "lo", "up")):
            subprocess.run(["ip", *words], check=True, capture_output=True)
        made.start()
        yield made
    finally:
        made.stop()
        subprocess.run(["ip", "netns", "del", made.space], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _keys(folder: Path, keys: Path | None) -> str:
    keys = keys or folder / "keys"
    lines = keys / "authorities"
    if not lines.exists():
        keys.mkdir(exist_ok=True)
        lines.write_text(make_keys(keys))
    for place in range(3):
        shutil.copytree(keys / f"auth{place}", folder / f"auth{place}")
    return lines.read_text()
