"""Make a world from parameters and a seed."""

from __future__ import annotations

import numpy as np

from world import bystanding, corpus, naming, sharing
from world.drafts import VARIANTS, Draft, Stage, Thing
from world.parameters import Parameters
from world.people import populate
from world.shape import Kind, Listed, Post, World
from world.truth import truth

FIRST_LIST, SECOND_LIST = "first", "second"


def make(parameters: Parameters, seed: int) -> World:
    """Return the world of a seed; the same for the same two arguments."""
    rng = np.random.default_rng([parameters.salt, seed])
    people, accounts = populate(rng, parameters)
    stage = Stage(rng, parameters, people, accounts)
    sharing.stock(stage)
    bystanding.victims(stage)
    later = sharing.bring_in(stage)
    shelf = sharing.Shelf(stage)
    sharing.pass_on(stage, shelf, later)
    sharing.take_over(stage, shelf)
    harmless = bystanding.chat(stage)
    shared = [draft for draft in stage.drafts if "offer" in draft.acts and draft.media]
    bystanding.watchers(stage, shelf)
    bystanding.bots(stage, shared)
    bystanding.answers(stage, shared)
    naming.name(stage)
    _views(stage)
    silent = frozenset({int(rng.integers(parameters.sites))})
    return World(
        tuple(accounts),
        _seen(stage, silent),
        _lists(stage, harmless),
        _told(stage),
        truth(stage),
        parameters.days,
        silent,
    )


def _views(stage: Stage) -> None:
    for draft in stage.drafts:
        site = stage.site_size[stage.accounts[draft.account].site]
        fame = draft.doer.fame * (draft.doer.habit.reach if draft.media else 1.0)
        tail = stage.rng.lognormal(0, stage.parameters.view_tail)
        draft.people = float(40 * site * fame * tail)


def _seen(stage: Stage, silent: frozenset[int]) -> tuple[Post, ...]:
    """Return what the crawler read, in the order of time."""
    drafts = sorted(stage.drafts, key=lambda draft: (draft.at, draft.account))
    kept = stage.rng.random(len(drafts)) >= stage.parameters.loss
    number = {id(draft): place for place, draft in enumerate(drafts)}
    posts = []
    for place, draft in enumerate(drafts):
        if not kept[place]:
            continue
        shows = stage.accounts[draft.account].site not in silent
        posts.append(
            Post(
                place,
                draft.account,
                draft.at,
                tuple((thing.id * VARIANTS + variant, how) for thing, variant, how in draft.media),
                round(draft.people * float(stage.rng.uniform(1.2, 2.5))) if shows else None,
                tuple(draft.acts),
                number[id(draft.about)] if draft.about else None,
                tuple(draft.named),
                *_words(stage, draft),
            )
        )
    return tuple(posts)


def _words(stage: Stage, draft: Draft) -> tuple[int, int]:
    if draft.silent:
        return -1, -1
    voice = draft.doer.voice % len(corpus.senders())
    return voice, int(stage.rng.integers(len(corpus.senders()[voice])))


def _lists(stage: Stage, harmless: list[Thing]) -> dict[int, tuple[Listed, ...]]:
    rng, parameters = stage.rng, stage.parameters
    listed: dict[int, tuple[Listed, ...]] = {}
    bad = [thing for thing in stage.things if thing.severity]
    on_a_list = [thing for thing in bad if rng.random() < parameters.listed]
    for thing in on_a_list:
        sources = [
            source
            for source, part in (
                (FIRST_LIST, parameters.on_first_list),
                (SECOND_LIST, parameters.on_second_list),
            )
            if rng.random() < part
        ] or [FIRST_LIST]
        flagged = thing.self_generated and rng.random() < parameters.self_generated_flagged
        severities = [_read_severity(stage, thing.severity) for _ in sources]
        for variant in range(VARIANTS):
            if variant and rng.random() >= parameters.near_found:
                continue
            item = thing.id * VARIANTS + variant
            listed[item] = tuple(
                Listed(item, thing.id, source, severity, variant > 0, flagged)
                for source, severity in zip(sources, severities, strict=True)
            )
    _mistakes(stage, harmless, on_a_list, listed)
    return listed


def _read_severity(stage: Stage, severity: int) -> int:
    if stage.rng.random() >= stage.parameters.disagree / 2:
        return severity
    return int(np.clip(severity + stage.rng.choice((-1, 1)), 1, 3))


def _mistakes(
    stage: Stage, harmless: list[Thing], bad: list[Thing], listed: dict[int, tuple[Listed, ...]]
) -> None:
    """Lists are wrong now and then, and near is not the same."""
    wrong, near = stage.parameters.wrong_entries, stage.parameters.false_near
    chosen = stage.rng.choice(80, wrong + near, replace=False)
    for place, number in enumerate(chosen):
        thing = harmless[int(number)]
        item = thing.id * VARIANTS
        severity = stage.severity()
        if place < wrong:
            listed[item] = (Listed(item, thing.id, SECOND_LIST, severity),)
        else:
            other = bad[int(stage.rng.integers(len(bad)))]
            listed[item] = (Listed(item, other.id, FIRST_LIST, severity, perceptual=True),)


def _told(stage: Stage) -> frozenset[int]:
    parameters = stage.parameters
    part = {
        Kind.OFFICER: parameters.told_officers,
        Kind.RESEARCHER: parameters.told_others,
        Kind.VICTIM: parameters.told_others,
        Kind.HIJACKED: parameters.told_hijacked,
    }
    return frozenset(
        account
        for person in stage.people
        if stage.rng.random() < part.get(person.kind, 0.0)
        for account in person.accounts
    )
