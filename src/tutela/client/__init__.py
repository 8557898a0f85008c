"""A client of the matching service for platforms; `guard` puts it in front of an application."""

from tutela.client.asking import AsyncClient, Client
from tutela.client.calls import Wait

__all__ = ["AsyncClient", "Client", "Wait"]
