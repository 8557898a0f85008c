"""Settings of the chat service: section `[chat]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `tutela serve --api` scores conversations for platforms."""

    enabled: Annotated[
        bool, msgspec.Meta(description="Whether conversations are scored for programs at all.")
    ] = False
    legal_basis: Annotated[
        str,
        msgspec.Meta(
            max_length=2_000,
            description="What allows this installation to score conversations, in words; it goes "
            "into the audit log. Without it nothing is scored.",
        ),
    ] = ""
    retention_days: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=3_650,
            description="What is known of a conversation is forgotten once it was idle so long; at "
            "0 nothing is scored.",
        ),
    ] = 0
    point: Annotated[
        float,
        msgspec.Meta(ge=0, description="From which points on a pair alerts; 0 for the default."),
    ] = 0.0
    encoder: Annotated[
        bool,
        msgspec.Meta(description="Whether messages are compared with prototypes, by meaning."),
    ] = True
    model: Annotated[
        Path | None,
        msgspec.Meta(description="File of a trained model, for probabilities; none without."),
    ] = None
    messages_per_request: Annotated[
        int, msgspec.Meta(ge=1, le=10_000, description="Messages in one request, at most.")
    ] = 1_000
    pairs: Annotated[
        int,
        msgspec.Meta(
            ge=100,
            le=10_000_000,
            description="Pairs of speakers, and conversations, that are known of one program; "
            "those that are idle longest are forgotten for more.",
        ),
    ] = 100_000
    programs: Annotated[
        int,
        msgspec.Meta(ge=1, le=10_000, description="Programs whose conversations are known."),
    ] = 32
