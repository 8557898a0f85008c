"""Keys and contacts: who proves what, who pastes what, and who lies with it."""

from __future__ import annotations

from world.drafts import Draft, Stage
from world.people import Person
from world.shape import Kind, Named

Names = dict[int, list[Named]]  # of a person: key first, then contacts


def name(stage: Stage) -> None:
    """Put names into posts that are there already."""
    by_account: dict[int, list[Draft]] = {}
    for draft in stage.drafts:
        if draft.own and stage.owner[draft.account] is draft.doer:
            by_account.setdefault(draft.account, []).append(draft)
    known: Names = {}
    signed: dict[int, list[Named]] = {}
    for person in stage.people:
        if person.offends and stage.rng.random() < 0.6:
            known[person.id], signed[person.id] = _own(stage, person, by_account)
    _frame(stage, by_account, known, signed)
    _public(stage, by_account)


def _put(stage: Stage, drafts: list[Draft], named: Named, times: int) -> None:
    for place in stage.rng.integers(0, len(drafts), times) if drafts else ():
        drafts[int(place)].named.append(named)


def _own(
    stage: Stage, person: Person, by_account: dict[int, list[Draft]]
) -> tuple[list[Named], list[Named]]:
    rng, parameters = stage.rng, stage.parameters
    key = f"{rng.integers(1 << 62):040X}"
    contacts = [Named("session", f"05{rng.integers(1 << 62):064x}")]
    if rng.random() < 0.5:
        contacts.append(Named("xmpp", f"{rng.integers(1 << 40):x}@example.org"))
    signs = rng.random() < parameters.signs_both
    rotated = rng.random() < 0.15
    shows = rng.random() < parameters.shares_contact
    statements: list[Named] = []
    for place, account in enumerate(person.accounts):
        drafts = by_account.get(account, [])
        if rotated and place:
            key = f"{rng.integers(1 << 62):040X}"
        if signs:
            tells = rng.random() < 0.7
            for number in range(1 if tells else 3):
                text = f"{person.id}/{account}/{number}"
                statement = Named("pgp_key", key, verified=True, statement=text, names_author=tells)
                _put(stage, drafts, statement, 1)
                statements.append(statement)
        else:
            _put(stage, drafts, Named("pgp_key", key), 1)
        for contact in contacts if shows else contacts[:1] if not place else ():
            _put(stage, drafts, contact, int(rng.integers(1, 4)))
    return [Named("pgp_key", key), *contacts], statements


def _frame(
    stage: Stage, by_account: dict[int, list[Draft]], known: Names, signed: dict[int, list[Named]]
) -> None:
    """Framers paste what belongs to others, and some repeat what others signed."""
    rng = stage.rng
    targets = list(known)
    for person in stage.people:
        if person.kind is not Kind.FRAMER:
            continue
        target = targets[int(rng.integers(len(targets)))]
        drafts = by_account.get(person.accounts[0], [])
        for named in known[target]:
            _put(stage, drafts, named, int(rng.integers(1, 4)))
        if rng.random() < 0.4:
            for said in signed[target]:
                copy = Named("pgp_key", said.value, verified=True, statement=said.statement)
                _put(stage, drafts, copy, 1)


def _public(stage: Stage, by_account: dict[int, list[Draft]]) -> None:
    """Some keys and addresses are everybody's: those of sites, and for gifts."""
    for number in range(4):
        key = Named("pgp_key", f"{number + 1:040X}")
        gift = Named("bitcoin", f"gift{number}")
        for account in stage.rng.choice(len(stage.accounts), 40, replace=False):
            _put(stage, by_account.get(int(account), []), key, 1)
            _put(stage, by_account.get(int(account), []), gift, 1)
