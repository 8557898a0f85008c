"""The rules of this installation for grading and review: administrators change them, in the log.

A rule that was never changed has the value given here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.store.bulk import upsert_rows
from tutela.store.tables.access import Policy as PolicyRow

Permille = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Count = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class Reviewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed a table of derivations, when, and the SHA-256 (hex) of what they signed."""

    by: str
    at: datetime
    sha256: str


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules, each with its default. `trusted_lists` maps a list's name to the scheme it speaks."""

    votes_to_trust: Annotated[int, msgspec.Meta(ge=1, le=20)] = 3
    second_reading_permille: Permille = 0
    known_sample_permille: Permille = 20
    stack_radius_bits: Annotated[int, msgspec.Meta(ge=0, le=31)] = 16
    lease_minutes: Annotated[int, msgspec.Meta(ge=1, le=24 * 60)] = 15
    reveal_seconds: Annotated[int, msgspec.Meta(ge=1, le=600)] = 10
    views_before_break: Count = 50
    minutes_before_break: Count = 50
    # Whether a dispute that an adjudicator settled counts as trusted, or only as indicative.
    adjudication_trusts: bool = True
    trusted_lists: dict[str, str] = {}
    reviewed_derivations: dict[str, Reviewed] = {}


NAMES = Policy.__struct_fields__


def read(tx: Connection) -> Policy:
    """Return the rules as they are now."""
    rows = tx.execute(select(PolicyRow.name, PolicyRow.value).where(PolicyRow.name.in_(NAMES)))
    return msgspec.convert({name: value["value"] for name, value in rows}, Policy)


def change(tx: Connection, who: Principal, **values: Any) -> Policy:
    """Change some rules and return all; one event tells each.

    Raises:
        AccessError: `who` may not change rules.
        UsageError: there is no such rule, or it cannot have this value.
    """
    require(tx, who, Permission.POLICY)
    if unknown := sorted(set(values) - set(NAMES)):
        raise UsageError(
            f"{unknown[0]} is no rule", code="policy", hint=f"the rules are {', '.join(NAMES)}"
        )
    plain = {name: msgspec.to_builtins(value) for name, value in values.items()}
    before = msgspec.to_builtins(read(tx))
    try:
        after = msgspec.convert({**before, **plain}, Policy)
    except msgspec.ValidationError as error:
        raise UsageError(f"a rule cannot be so: {error}", code="policy") from None
    changed = {name: value for name, value in plain.items() if before[name] != value}
    upsert_rows(
        tx,
        PolicyRow,
        [{"name": name, "value": {"value": value}} for name, value in changed.items()],
    )
    if changed:
        log.record_many(tx, who, [_event(name, value) for name, value in sorted(changed.items())])
    return after


def _event(name: str, value: Any) -> log.Event:
    """Numbers go into the leaf; names of lists and people are words, which it only commits to."""
    if isinstance(value, dict):
        text = msgspec.json.encode(value, order="deterministic").decode()
        return log.Event("policy.changed", f"policy:{name}", {}, {"value": text})
    return log.Event("policy.changed", f"policy:{name}", {"value": value})
