"""How a request leaves this machine: straight to the clear web, or through a tor of our own.

Through Tor no name is ever resolved here: names go to tor as they are. Each host of each case has a
SOCKS user name of its own, and tor lets nothing with different names share a circuit
(IsolateSOCKSAuth, on by default), so neither a relay nor a site can tell that two hosts are
visited by the same.
"""

from __future__ import annotations

import hashlib

import msgspec

from tutela.core.errors import FetchError
from tutela.fetch.address import Address, Net, is_literal, is_public, net_of

# Replies of SOCKS (RFC 1928, section 6) and, from 0xF0 on, of tor's ExtendedErrors (tor's
# socks-extensions.txt): what each means for us.
_REPLIES = {
    0x01: ("unreachable", "tor could not reach it"),
    0x02: ("net", "tor does not take this kind of address here"),
    0x03: ("unreachable", "its network cannot be reached"),
    0x04: ("unreachable", "the host cannot be reached"),
    0x05: ("refused", "nothing answers at that port"),
    0x06: ("timeout", "the circuit did not come about in time"),
    0xF0: ("no_descriptor", "the onion service has no descriptor: it is offline, or never was"),
    0xF1: ("no_descriptor", "the onion service's descriptor is damaged"),
    0xF2: ("unreachable", "the onion service does not answer at its introduction points"),
    0xF3: ("unreachable", "the onion service did not come to the rendezvous"),
    0xF4: ("needs_auth", "the onion service is only for clients that it knows"),
    0xF5: ("needs_auth", "the onion service does not know our key"),
    0xF6: ("bad_address", "this is no onion address"),
    0xF7: ("timeout", "the onion service's introduction points are silent"),
}


class Clear(msgspec.Struct, frozen=True, kw_only=True):
    """Straight to the clear web, where only public addresses are asked.

    Attributes:
        allow_loopback: Loopback may be asked as well: for tests.
    """

    allow_loopback: bool = False


class Tor(msgspec.Struct, frozen=True, kw_only=True):
    """Through a tor of our own.

    Attributes:
        case: Whose requests these are; those of different cases share no circuit.
        onion: Where its SOCKS port for onion services is, `host:port` or `unix:/path`.
        clear: Where that for the clear web is; empty where the clear web is not to be asked.
        allow_loopback: The exit may be asked for its own loopback: for tests.
    """

    case: str
    onion: str
    clear: str = ""
    allow_loopback: bool = False

    def socks_address(self, host: str) -> str:
        """Return which SOCKS port takes a request for a host."""
        return self.onion if net_of(host) is Net.ONION else self.clear

    def socks_name(self, host: str, turn: int = 0) -> str:
        """Return the SOCKS user name for a host; another `turn` means other circuits."""
        named = f"{len(self.case)}:{self.case}{len(host)}:{host}{turn}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]


Way = Clear | Tor


def check(way: Way, address: Address) -> None:
    """Check that `address` may be asked this way, as far as can be told without resolving a name.

    Raises:
        FetchError: `net`: it is of a net that this way does not lead to; `addresses`: it is no
            address of the public net.
    """
    if isinstance(way, Clear) and address.net is Net.ONION:
        raise FetchError("an onion service is only asked through tor", code="net")
    if isinstance(way, Tor) and not way.socks_address(address.host):
        raise FetchError("this way does not lead to the clear web", code="net")
    if is_literal(address.host):
        check_ip(way, address.host)
    elif isinstance(way, Tor) and address.host.rpartition(".")[2] == "localhost":
        check_ip(way, "127.0.0.1")


def check_ip(way: Way, ip: str) -> None:
    """Check that an IP address may be connected to.

    Raises:
        FetchError: code `addresses`: it is of this machine, of a network here, or of no machine.
    """
    loopback = ip == "::1" or ip.startswith("127.")
    if not is_public(ip) and not (loopback and way.allow_loopback):
        raise FetchError(
            "the host is at an address that is not of the public net",
            code="addresses",
            hint="pages may point at machines that only we can reach",
        )


def refusal(reply: int) -> FetchError:
    """Return the error for a reply code of tor's SOCKS port."""
    code, sentence = _REPLIES.get(reply, ("unreachable", f"tor says 0x{reply:02X}"))
    return FetchError(sentence, code=code)
