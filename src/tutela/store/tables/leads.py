"""Leads: rankings of accounts, links between them, what people say of them, and what is released.

An account is a row of `site_accounts`; several that are one's, by evidence that may merge, are a
group, which is named by the smallest of their numbers. Nothing here names a natural person.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class Ranking(Table):
    """Accounts of a case put in order once, by which weights and on how much.

    `seen` accounts are `ranked` and those that `withheld` counts by reason. `generation` is that of
    the library whose hits were used; `parameters` is what was chosen beside the weights.
    """

    __tablename__ = "rankings"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    weights_version: Mapped[str]
    weights_sha256: Mapped[bytes]
    parameters: Mapped[dict[str, Any]]
    generation: Mapped[int]
    posts: Mapped[int]
    seen: Mapped[int]
    ranked: Mapped[int]
    withheld: Mapped[dict[str, Any]]


class RankedAccount(Table):
    """One account or group in a ranking; `explanation` holds every term with its rows.

    `lower` is the bound that ranks, `best_place` and `worst_place` are where it would stand if some
    of what is known were not.
    """

    __tablename__ = "ranked_accounts"

    ranking_id: Mapped[int] = mapped_column(primary_key=True, info=refers("rankings.id"))
    account_id: Mapped[int] = mapped_column(
        primary_key=True, info=refers("site_accounts.id"), index=True
    )
    members: Mapped[list[Any]]
    place: Mapped[int]
    score: Mapped[float]
    lower: Mapped[float]
    best_place: Mapped[int]
    worst_place: Mapped[int]
    explanation: Mapped[dict[str, Any]]


class AccountLink(Table):
    """What speaks for two accounts being one's: tier `A`, `B` or `C`, and by which evidence.

    `state` is `suggested`, `confirmed` or `undone`; those of tier `A` are ranked as one unless they
    are undone. `one_id` is the smaller number.
    """

    __tablename__ = "account_links"
    __table_args__ = (
        UniqueConstraint("case_id", "one_id", "other_id"),
        Index("ix_account_links_other", "other_id"),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    one_id: Mapped[int] = mapped_column(info=refers("site_accounts.id"), index=True)
    other_id: Mapped[int] = mapped_column(info=refers("site_accounts.id"))
    tier: Mapped[str]
    weight: Mapped[float]
    evidence: Mapped[list[Any]]
    state: Mapped[str]
    found_at: Mapped[datetime]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str]


class AccountMark(Table):
    """What a person says of an account, with a reason; it counts until it is undone."""

    __tablename__ = "account_marks"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    account_id: Mapped[int] = mapped_column(info=refers("site_accounts.id"), index=True)
    kind: Mapped[str]
    reason: Mapped[str]
    set_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    set_at: Mapped[datetime]
    undone_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    undone_at: Mapped[datetime | None]


class Lead(Table):
    """A lead: an account or group that was proposed, with the explanation as it stood then.

    `state` is `proposed`, `released` or `withdrawn`; a released one is over at `expires_at`.
    `released_seq` is the event of the log that released it.
    """

    __tablename__ = "leads"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    account_id: Mapped[int] = mapped_column(info=refers("site_accounts.id"), index=True)
    members: Mapped[list[Any]]
    ranking_id: Mapped[int] = mapped_column(ForeignKey("rankings.id"))
    state: Mapped[str]
    explanation: Mapped[dict[str, Any]]
    approval_id: Mapped[int | None] = mapped_column(ForeignKey("approvals.id"))
    proposed_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    proposed_at: Mapped[datetime]
    released_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    released_at: Mapped[datetime | None]
    released_seq: Mapped[int | None]
    expires_at: Mapped[datetime | None]
    withdrawn_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_why: Mapped[str]


class Deconfliction(Table):
    """An identifier that no lead may carry, as HMAC-SHA256 under a key that is not in the database.

    It is of no case: whoever reads the rows learns how many there are, and nothing else.
    """

    __tablename__ = "deconflictions"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    added_at: Mapped[datetime]
    added_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
