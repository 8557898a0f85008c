"""Where a request may go: an address that was read once, by one reader, and what it may lead to.

The same object is checked and asked, so that no second reader of URLs can see another host in it.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from functools import lru_cache

import msgspec
from yarl import URL

from tutela.core.errors import FetchError

_LONGEST = 4096
# Controls, blanks, DEL and the backslash.
_NEVER = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
# Which browsers read as IPv4, in all the ways of old (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
_LABEL_CHARACTERS = 63
_HOST_CHARACTERS = 253
# What embeds an IPv4 address that nobody checks: 6to4, Teredo, NAT64.
_EMBEDDING = tuple(
    map(ipaddress.ip_network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48"))
)


class Net(enum.StrEnum):
    """Which net a host is in."""

    CLEAR = "clear"
    ONION = "onion"


class Address(msgspec.Struct, frozen=True):
    """An http or https URL without user, password and fragment; the host is in lower case."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def net(self) -> Net:
        """Which net it is in."""
        return net_of(self.host)


def net_of(host: str) -> Net:
    """Return which net a host of an `Address` is in."""
    return Net.ONION if host.endswith(".onion") else Net.CLEAR


def read(url: str) -> Address:
    """Read an address.

    Raises:
        FetchError: code `bad_address`: it is none, or not one to be asked.
    """
    return _checked(_parsed(url))


def moved(source: Address, location: str) -> Address:
    """Return where a Location header of `source` leads, relative or not (RFC 9110, section 10.2.2).

    Raises:
        FetchError: code `bad_address`, as `read`.
    """
    target = _parsed(location)
    if target.scheme and not target.raw_host:
        raise _bad("has no host")
    try:
        joined = URL(source.url).join(target)
    except ValueError:
        raise _bad("leads nowhere") from None
    return _checked(joined)


def may_follow(source: Address, target: Address) -> bool:
    """Say whether a redirect may be followed: within one net, and never from https to http.

    Across nets it would tell the operator of the one where else the same visitor is (and a page of
    the clear web could make us known to an onion service, or the other way about). Whether the
    target is within what was authorised is for others to say.
    """
    return source.net is target.net and (source.scheme, target.scheme) != ("https", "http")


@lru_cache(maxsize=4096)
def is_public(ip: str) -> bool:
    """Say whether an IP address is of the public net, and not of a machine or network here."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and (
        address.ipv4_mapped is not None
        or address.scope_id is not None
        or any(address in net for net in _EMBEDDING)
        or address.is_site_local
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


@lru_cache(maxsize=4096)
def is_literal(host: str) -> bool:
    """Say whether a host is an IP address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _parsed(url: str) -> URL:
    if len(url) > _LONGEST:
        raise _bad("is too long")
    # Readers of URLs disagree about these, and browsers repair some of them.
    if _NEVER.search(url.strip(" ")):
        raise _bad("holds characters that no address has")
    try:
        return URL(url.strip(" "))
    except ValueError:
        raise _bad("cannot be read") from None


def _checked(url: URL) -> Address:
    try:
        host, port = (url.raw_host or "").lower().removesuffix("."), url.port
        user = url.user is not None or url.password is not None
    except ValueError:
        raise _bad("cannot be read") from None
    if url.scheme not in ("http", "https") or not host or not port:
        raise _bad("is neither http nor https")
    if user:
        raise _bad("holds a user name or a password")
    if not is_literal(host) and not _is_name(host):
        raise _bad("has a host that is no name")
    url = url.with_host(host).with_fragment(None)
    if len(str(url)) > _LONGEST:
        raise _bad("is too long")
    return Address(str(url), url.scheme, host, port)


def _is_name(host: str) -> bool:
    labels = host.split(".")
    return (
        _HOST.fullmatch(host) is not None
        and _NUMBER.fullmatch(host) is None
        and len(host) <= _HOST_CHARACTERS
        and all(len(label) <= _LABEL_CHARACTERS for label in labels)
    )


def _bad(how: str) -> FetchError:
    return FetchError(f"the address {how}", code="bad_address")
