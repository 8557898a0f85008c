"""Network namespaces joined by a bridge in one of their own: machines that only see each other."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Network:
    """A switch; each machine on it has an address and a line that can be cut."""

    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:8]}")
    addresses: dict[str, str] = field(default_factory=dict)

    def within(self, machine: str) -> tuple[str, ...]:
        """Return the words that start a command on a machine."""
        return ("ip", "netns", "exec", f"{self.name}-{machine}")

    def add(self, machine: str) -> str:
        """Put a machine on the network; return its address."""
        space = f"{self.name}-{machine}"
        place = len(self.addresses) + 1
        self.addresses[machine] = address = f"10.77.0.{place}"
        _ip("netns", "add", space)
        _ip("link", "add", f"p{place}", "netns", self.name, "type", "veth", *_peer(space))
        _ip("-n", self.name, "link", "set", f"p{place}", "master", "switch", "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        _ip("-n", space, "link", "set", "lo", "up")
        return address

    def cut(self, machine: str) -> None:
        """Pull the plug of a machine."""
        self._set(machine, "down")

    def mend(self, machine: str) -> None:
        """Put it in again."""
        self._set(machine, "up")

    def _set(self, machine: str, state: str) -> None:
        place = list(self.addresses).index(machine) + 1
        _ip("-n", self.name, "link", "set", f"p{place}", state)

    def remove(self) -> None:
        """Take everything away, whatever is there."""
        for space in (*(f"{self.name}-{one}" for one in self.addresses), self.name):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """Give an empty network; it is gone afterwards."""
    assert shutil.which("ip"), "iproute2 is not installed: apt-get install iproute2"
    made = Network()
    try:
        _ip("netns", "add", made.name)
        _ip("-n", made.name, "link", "add", "switch", "type", "bridge")
        _ip("-n", made.name, "link", "set", "switch", "up")
        yield made
    finally:
        made.remove()


def _peer(space: str) -> list[str]:
    return ["peer", "name", "eth0", "netns", space]


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
