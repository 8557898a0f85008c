"""The TLS side of the server: who may shake hands, and handing on which key was shown.

uvicorn does not tell the application who is on the other side of a connection. Its protocol class
knows the transport, so ours takes the certificate from there, once for each connection.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Under this name among the extensions of a scope (ASGI, "Extensions") lies the DER certificate.
PEER: Final = "tutela.peer"


class PeerProtocol(HttpToolsProtocol):
    """HTTP of uvicorn that says whose connection it is."""

    _peer: bytes | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the certificate that was shown."""
        shown = transport.get_extra_info("ssl_object")
        if isinstance(shown, ssl.SSLObject):
            self._peer = shown.getpeercert(binary_form=True)
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """Lay the certificate into the scope of the request."""
        super().on_message_begin()
        self.scope["extensions"] = {PEER: self._peer}  # type: ignore[dict-item]
