"""What went wrong, as one of few words.

The sentences name no address: what is crawled is told to nobody's log.
"""

from __future__ import annotations

import errno
import ssl

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientError,
    ClientPayloadError,
    ClientResponseError,
    InvalidURL,
)
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError

from tutela.core.errors import FetchError
from tutela.fetch.connect import socks_failure

# What may be different under another SOCKS name; everything else stays as it is.
WORTH_ANOTHER_TURN = frozenset({"timeout", "unreachable", "closed", "slow"})
FAILURES = (
    ClientError,
    OSError,
    HttpProcessingError,
    ProxyError,
    ProxyConnectionError,
    ProxyTimeoutError,
)


def coded(error: Exception) -> FetchError:  # noqa: PLR0911 one line for each kind
    """Return what an error of the HTTP client means."""
    if isinstance(error, FetchError):
        return error
    if isinstance(error, ProxyConnectionError):
        return FetchError("tor does not answer", code="tor_down", hint="start it again")
    if isinstance(error, ProxyError):
        return socks_failure(error)
    if isinstance(error, (ssl.SSLError, ssl.CertificateError, ClientConnectorCertificateError)):
        return FetchError("its certificate or its TLS cannot be trusted", code="tls")
    if isinstance(error, (TimeoutError, ProxyTimeoutError)):
        return FetchError("it does not answer in time", code="timeout")
    if isinstance(error, ClientConnectorDNSError):
        return FetchError("the name cannot be resolved", code="unreachable")
    if isinstance(error, InvalidURL):
        return FetchError("the address is none", code="bad_address")
    if isinstance(error, (ClientResponseError, HttpProcessingError)):
        return _malformed(error)
    if isinstance(error, ClientPayloadError):
        # Which comes of it when bytes are missing at the end alone, see `connect`.
        return FetchError("the connection ended before the body did", code="closed")
    return _disconnected(error)


def _malformed(error: Exception) -> FetchError:
    """Tell a broken body from a broken head: they are the same error where they come together."""
    if isinstance(error, ClientResponseError) and "chunk" not in str(error).lower():
        return FetchError("what answers does not speak HTTP", code="headers")
    return FetchError("the body is not framed as HTTP frames it", code="damaged")


def _disconnected(error: Exception) -> FetchError:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return FetchError("nothing answers at that port", code="refused")
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}:
        return FetchError("the host cannot be reached")
    return FetchError("the connection was closed", code="closed")
