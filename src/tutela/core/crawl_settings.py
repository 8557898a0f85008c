"""Settings of the crawl: section `[crawl]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from tutela.core.homes import state_home


class CrawlSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela crawl` goes about sites that a crawl order allows."""

    workers: Annotated[
        int, msgspec.Meta(ge=1, le=256, description="Worker processes, each with its own tor.")
    ] = 2
    tor: Annotated[str, msgspec.Meta(description="The tor program that workers start.")] = "tor"
    state: Annotated[
        Path, msgspec.Meta(description="Folder of what workers need while they run.")
    ] = msgspec.field(default_factory=lambda: state_home() / "crawl")
    signal_file: Annotated[
        Path,
        msgspec.Meta(
            description="While this file is there no worker on this machine asks for anything; "
            "`tutela crawl stop` writes it before all else."
        ),
    ] = msgspec.field(default_factory=lambda: state_home() / "crawl" / "stop")
    interval_seconds: Annotated[
        float, msgspec.Meta(ge=1, description="Between two requests to a host.")
    ] = 2.0
    in_flight: Annotated[
        int, msgspec.Meta(ge=1, le=8, description="Requests to a host at a time.")
    ] = 2
    lift_on_loopback: Annotated[
        bool,
        msgspec.Meta(
            description="Take the limits off hosts that are this machine, and off onion services "
            "of a private tor network on it; for tests, without effect on any other host."
        ),
    ] = False
    lease_seconds: Annotated[
        int,
        msgspec.Meta(ge=120, description="A URL whose worker is silent so long goes to another."),
    ] = 300
    batch: Annotated[
        int, msgspec.Meta(ge=1, le=500, description="URLs that a worker leases at once.")
    ] = 50
    host_pages: Annotated[
        int, msgspec.Meta(ge=1, description="Pages of one host under one order, at most.")
    ] = 100_000
