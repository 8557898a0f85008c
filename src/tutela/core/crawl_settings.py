"""Settings of the crawl: section `[crawl]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from tutela.core.homes import state_home
from tutela.core.media import PDQ_RADIUS_BITS


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
    at_once: Annotated[
        int, msgspec.Meta(ge=1, le=512, description="Requests of a worker at a time, to all hosts.")
    ] = 64
    tor_options: Annotated[
        Path | None,
        msgspec.Meta(description="File with more lines for the settings of tor, such as bridges."),
    ] = None
    clear_through_tor: Annotated[
        bool, msgspec.Meta(description="Ask the clear web through tor as well, not straight.")
    ] = False
    terms: Annotated[
        Path | None,
        msgspec.Meta(
            description="TOML file with words that say that somebody offers, requests or thanks; "
            "none are shipped."
        ),
    ] = None
    keep_days: Annotated[
        int,
        msgspec.Meta(
            ge=1,
            le=3650,
            description="Days after the week of reading in which words of posts are kept.",
        ),
    ] = 90
    radius_bits: Annotated[
        int,
        msgspec.Meta(ge=0, le=31, description="PDQ distance up to which a picture is a hit."),
    ] = PDQ_RADIUS_BITS
    notice_clear: Annotated[
        Literal["", "hotline", "police"],
        msgspec.Meta(description="Who hears of known media on the clear web; empty for nobody."),
    ] = "hotline"
    notice_onion: Annotated[
        Literal["", "hotline", "police"],
        msgspec.Meta(description="Who hears of known media on onion services; empty for nobody."),
    ] = "police"
    notice_indicative: Annotated[
        bool,
        msgspec.Meta(description="Draft notices of perceptual hits too, not of exact ones alone."),
    ] = False
