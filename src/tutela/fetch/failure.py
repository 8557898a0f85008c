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
)
from aiohttp.http_exceptions import ContentLengthError, HttpProcessingError
from aiohttp_socks import ProxyConnectionError, ProxyError

from tutela.core.errors import FetchError
from tutela.fetch.connect import socks_failure

# What may be different under another SOCKS name; everything else stays as it is.
WORTH_ANOTHER_TURN = frozenset({"timeout", "unreachable", "closed", "slow"})
FAILURES = (ClientError, OSError, HttpProcessingError, ProxyError)


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
    if isinstance(error, TimeoutError):
        return FetchError("it does not answer in time", code="timeout")
    if isinstance(error, ClientConnectorDNSError):
        return FetchError("the name cannot be resolved", code="unreachable")
    if isinstance(error, (ClientResponseError, HttpProcessingError)):
        return FetchError("what answers does not speak HTTP", code="headers")
    if isinstance(error, ClientPayloadError):
        return _broken(error)
    return _disconnected(error)


def _broken(error: BaseException) -> FetchError:
    """Tell a body that is not framed as it says from one that ends early."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HttpProcessingError) and not isinstance(cause, ContentLengthError):
            return FetchError("the body is not framed as HTTP frames it", code="damaged")
        cause = cause.__cause__
    return FetchError("the connection ended before the body did", code="closed")


def _disconnected(error: Exception) -> FetchError:
    number = getattr(error, "errno", None)
    if number == errno.ECONNREFUSED:
        return FetchError("nothing answers at that port", code="refused")
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL}:
        return FetchError("the host cannot be reached")
    return FetchError("the connection was closed", code="closed")
