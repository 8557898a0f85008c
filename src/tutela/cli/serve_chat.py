"""Makes ready what scores conversations for `tutela serve --api`, where the operator allows it."""

from __future__ import annotations

import sys
from functools import partial

from tutela.chat.service import Service, require_basis
from tutela.core.chat_settings import ChatSettings
from tutela.core.errors import ServiceError
from tutela.store import Database


def scoring(settings: ChatSettings, database: Database) -> Service | None:
    """Return what scores conversations, and write its start into the audit log.

    Where the legal basis or the retention period is missing, say so and return None: the rest of
    the service goes on, and the routes of the chat service answer why they do not.

    Raises:
        InputError: the trained model cannot be used.
        SettingsError: lexicon or weights cannot.
    """
    if not settings.enabled:
        return None
    try:
        require_basis(settings)
    except ServiceError as error:
        print(f"warning: no conversation is scored: {error.message}", file=sys.stderr)
        print(f"hint: {error.hint}", file=sys.stderr)
        return None
    # Lexicon, prototypes and what a model needs take seconds to load: only where they are used.
    from tutela.chat.scorer import Parts, Scorer  # noqa: PLC0415 - as said
    from tutela.chat.weighing import DEFAULT_POINT  # noqa: PLC0415 - as said

    parts = Parts.shipped(settings.encoder)
    digest = bytes.fromhex(parts.digest)
    model = None
    if settings.model is not None:
        from tutela.chat.training import trained  # noqa: PLC0415 - as said

        model = trained.load(settings.model, digest)
    point = settings.point or DEFAULT_POINT
    make = partial(Scorer, parts, point=point, most_pairs=settings.pairs)
    service = Service(settings, make, digest, model=model)
    with database.write() as tx:
        service.record(tx)
    return service
