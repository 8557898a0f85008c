"""Turns rows of observations into what is ranked: one case at a time, all of it.

Sites that a person judged to be copies of another are folded into it: an account of both is one, a
post that stands on both was made once; else whoever is copied would never be first with anything.
Media that meet the same entry of a list are one thing, however they were resized. Media of no alert
list, or whose codes say that they are no known thing, count nothing.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select

from tutela.actors import blind, model
from tutela.actors.marking import Mark, Marked
from tutela.actors.severity import Severity
from tutela.core.entry import Role
from tutela.core.hit import Strength
from tutela.core.ids import CaseId
from tutela.core.time import now
from tutela.observation.model import EntityKind, EventKind, MediaRole
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    MediaPlace,
    Mention,
    Post,
    SeenHit,
    SeenMedia,
    Site,
    SiteAccount,
)

NOBODY = 0  # the account of posts that do not say whose they are
UNSEEN = -1  # a post that is answered and was never read
_PRIVATE, _PRIVATE_LETTERS = 0xE000, 6_400  # Unicode's private use area
_MINOR = frozenset({Mark.SAFEGUARDING, Mark.SELF_GENERATED})
_LEFT_OUT = frozenset({Mark.OFFICER, Mark.HIJACKED})

Opened = Callable[[Connection, Sequence[int]], Mapping[int, str | None]]


class Gathered(NamedTuple):
    """What is ranked, and how its accounts and posts stand for rows.

    `root` gives the account that each row was folded into, `generation` the highest of the library
    that any media was compared with.
    """

    observed: model.Observed
    root: dict[int, int]
    generation: int


def gather(
    tx: Connection,
    case_id: CaseId,
    severity: Severity,
    marks: Iterable[Marked],
    opened: Opened | None = None,
) -> Gathered:
    """Return what is ranked of a case. Asks nobody's permission, and opens words for no person.

    Args:
        tx: A transaction.
        case_id: The case.
        severity: How grave codes are.
        marks: What people said of accounts, those that stand.
        opened: What opens the words of posts; without it, none are compared.
    """
    by_account: dict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        by_account[mark.account_id].append(mark.kind)
    copy_of = _copies(tx, case_id)
    accounts, root = _accounts(tx, case_id, copy_of)
    said: dict[int, list[Mark]] = defaultdict(list)
    for number, kinds in by_account.items():
        said[root.get(number, number)] += kinds
    posts, until = _posts(tx, case_id, copy_of, root, opened)
    known, generation = _known(tx, case_id, severity)
    observed = model.Observed(
        accounts=tuple(_marked(one, said[one.id]) for one in accounts),
        posts=tuple(posts),
        known=known,
        until=until,
        markers={n: k.count(Mark.CONTACT_ABUSE) for n, k in said.items() if k},
    )
    left_out = {number for number, kinds in said.items() if _LEFT_OUT & set(kinds)}
    return Gathered(protecting(observed, left_out), root, generation)


def protecting(observed: model.Observed, accounts: Iterable[int]) -> model.Observed:
    """Return the same, with more accounts that are withheld for a check by a person.

    They go to the blind list of what ranks, under a key that is thrown away: nothing that ranks,
    and nobody who reads a ranking, can tell them from others that are withheld for a check.
    """
    wanted = frozenset(accounts)
    if not wanted:
        return observed
    key = observed.token_key or secrets.token_bytes(32)
    made = {
        blind.token(key, "handle", one.handle, str(one.site))
        for one in observed.accounts
        if one.id in wanted
    }
    return msgspec.structs.replace(observed, protected=observed.protected | made, token_key=key)


def _copies(tx: Connection, case_id: CaseId) -> dict[int, int]:
    """Return the site that each site is a copy of, itself where it is none."""
    columns = (Site.id, Site.mirror_of, Site.judged_by)
    rows = tx.execute(select(*columns).where(Site.case_id == case_id)).all()
    # A guess folds nothing: who copies a site could add posts of others to it.
    of = {row.id: None if row.judged_by is None else row.mirror_of for row in rows}
    found = {}
    for number in of:
        top, seen = number, {number}
        while (above := of.get(top)) is not None and above not in seen:
            seen.add(above)
            top = above
        found[number] = min(seen) if of.get(top) in seen else top
    return found


def _accounts(
    tx: Connection, case_id: CaseId, copy_of: Mapping[int, int]
) -> tuple[list[model.Account], dict[int, int]]:
    rows = tx.execute(
        select(SiteAccount.__table__).where(SiteAccount.case_id == case_id).order_by(SiteAccount.id)
    ).all()
    # Those of the site itself first, so that theirs is the number that stands for the copies.
    first: dict[tuple[int, str], Any] = {}
    for row in sorted(rows, key=lambda row: (copy_of[row.site_id] != row.site_id, row.id)):
        first.setdefault((copy_of[row.site_id], row.identity), row)
    root = {row.id: first[copy_of[row.site_id], row.identity].id for row in rows}
    avatars = _avatars(tx, case_id)
    return [
        model.Account(
            id=row.id,
            site=copy_of[row.site_id],
            handle=row.handle,
            key=row.identity.removeprefix("key:") if row.identity.startswith("key:") else "",
            role=row.role,
            avatar=avatars.get(row.id, ""),
        )
        for row in first.values()
    ], root


def _avatars(tx: Connection, case_id: CaseId) -> dict[int, str]:
    rows = tx.execute(
        select(Post.account_id, MediaPlace.media_id)
        .join(MediaPlace, MediaPlace.post == Post.id)
        .where(
            Post.case_id == case_id,
            MediaPlace.role == MediaRole.AVATAR,
            MediaPlace.media_id.is_not(None),
        )
        .order_by(MediaPlace.id)
    )
    return {account: _media(media) for account, media in rows if account and media}


def _marked(account: model.Account, kinds: Sequence[Mark]) -> model.Account:
    role = "admin" if Mark.ADMINISTRATOR in kinds else account.role
    return msgspec.structs.replace(account, role=role, says_minor=bool(_MINOR & set(kinds)))


def _posts(
    tx: Connection,
    case_id: CaseId,
    copy_of: Mapping[int, int],
    root: Mapping[int, int],
    opened: Opened | None,
) -> tuple[list[model.Post], datetime]:
    rows = tx.execute(
        select(
            Post.id,
            Post.site_id,
            Post.thread,
            Post.key,
            Post.account_id,
            Post.posted_at,
            Post.seen_at,
            Post.views,
            Post.replies_to,
            Post.characters,
        )
        .where(Post.case_id == case_id)
        .order_by(Post.id)
    ).all()
    first: dict[tuple[int, str, str], int] = {}
    for row in rows:
        first.setdefault((copy_of[row.site_id], row.thread, row.key), row.id)
    shown, events, named = _shown(tx, case_id), _events(tx, case_id), _named(tx, case_id)
    words = opened(tx, [row.id for row in rows]) if opened is not None and rows else {}
    found = []
    for row in rows:
        site = copy_of[row.site_id]
        if first[site, row.thread, row.key] != row.id:
            continue
        answers = [first.get((site, row.thread, str(one)), UNSEEN) for one in row.replies_to]
        found.append(
            model.Post(
                id=row.id,
                account=NOBODY if row.account_id is None else root[row.account_id],
                at=row.posted_at,
                shown=tuple(shown.get(row.id, ())),
                views=row.views,
                events=tuple(events.get(row.id, ())),
                answers=tuple(answers),
                named=tuple(named.get(row.id, ())),
                text=words.get(row.id) or _unread(row.id, row.characters),
            )
        )
    latest = max((row.posted_at or row.seen_at for row in rows), default=now())
    return found, min(latest, now())


def _unread(post: int, characters: int) -> str:
    """Return what stands for words that nobody opened or can any more: they were there, too.

    One letter that no language has, another one in each post: it is alike to nothing.
    """
    return chr(_PRIVATE + post % _PRIVATE_LETTERS) if characters else ""


def _shown(tx: Connection, case_id: CaseId) -> dict[int, list[model.Shown]]:
    found: dict[int, list[model.Shown]] = defaultdict(list)
    for post, media, role in tx.execute(
        select(MediaPlace.post, MediaPlace.media_id, MediaPlace.role)
        .where(
            MediaPlace.case_id == case_id, MediaPlace.post != 0, MediaPlace.media_id.is_not(None)
        )
        .order_by(MediaPlace.id)
    ):
        found[post].append(model.Shown(_media(media or 0), MediaRole(role)))
    return found


def _events(tx: Connection, case_id: CaseId) -> dict[int, list[EventKind]]:
    found: dict[int, list[EventKind]] = defaultdict(list)
    for post, kind in tx.execute(
        select(ExchangeEvent.post_id, ExchangeEvent.kind)
        .where(ExchangeEvent.case_id == case_id)
        .order_by(ExchangeEvent.id)
    ):
        found[post].append(EventKind(kind))
    return found


def _named(tx: Connection, case_id: CaseId) -> dict[int, list[model.Named]]:
    found: dict[int, list[model.Named]] = defaultdict(list)
    for row in tx.execute(
        select(Mention.__table__, Entity.kind, Entity.value)
        .join(Entity, Entity.id == Mention.entity_id)
        .where(Mention.case_id == case_id)
        .order_by(Mention.post_id, Mention.entity_id)
    ):
        found[row.post_id].append(
            model.Named(
                EntityKind(row.kind),
                row.value,
                quoted=row.quoted,
                checked=row.checked,
                verified=row.verified,
                statement=row.statement,
                names_author=row.names_author,
            )
        )
    return found


def _known(
    tx: Connection, case_id: CaseId, severity: Severity
) -> tuple[dict[str, tuple[model.Known, ...]], int]:
    hits = tx.execute(
        select(SeenHit.__table__)
        .where(SeenHit.case_id == case_id, SeenHit.role == Role.ALERT.value)
        .order_by(SeenHit.media_id, SeenHit.list_name, SeenHit.entry)
    ).all()
    hits = [hit for hit in hits if severity.of(hit.codes) > 0]
    thing = _things((hit.media_id, (hit.list_name, hit.entry)) for hit in hits)
    known: dict[str, list[model.Known]] = defaultdict(list)
    for hit in hits:
        known[_media(hit.media_id)].append(
            model.Known(
                entity=f"thing {thing[hit.media_id]}",
                source=hit.list_name,
                severity=severity.of(hit.codes),
                exact=hit.strength == Strength.EXACT,
            )
        )
    newest = select(SeenMedia.generation).where(SeenMedia.case_id == case_id)
    generation = max(tx.execute(newest.distinct()).scalars(), default=0)
    return {media: tuple(dict.fromkeys(some)) for media, some in known.items()}, generation


def _things(met: Iterable[tuple[int, tuple[str, int]]]) -> dict[int, int]:
    """Return the thing of each media: those that meet one entry, or entries that one media meets.

    A thing is called by the smallest number of its media.
    """
    top: dict[Any, Any] = {}

    def of(one: Any) -> Any:
        while top.setdefault(one, one) != one:
            one = top[one]
        return one

    media_ids = set()
    for media, entry in met:
        media_ids.add(media)
        one, other = of(media), of(entry)
        if one != other:
            low, high = (one, other) if _number(one) <= _number(other) else (other, one)
            top[high] = low
    return {media: of(media) for media in media_ids}


def _number(one: Any) -> int:
    """Let media stand for things rather than entries."""
    return one if isinstance(one, int) else 1 << 62


def _media(number: int) -> str:
    return f"m{number}"
