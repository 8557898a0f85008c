"""What speaks for two accounts being one person's, in three tiers.

A may merge, reversibly: both accounts posted texts that one key signed and that name the account
that posted them, or the site itself shows that they are one. B links where two independent rare
contact ids say so, and never merges. C hints. A key that is only pasted is no evidence at all:
whoever frames somebody pastes their key. A signed text that does not name its author may be a copy
of somebody else's; it counts like a contact id, and only where it was seen first.

Match weights are those of Fellegi and Sunter (1969), with term frequencies: log2(m / u) bits, where
u is how often two accounts of anybody share this very value.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from math import log2

from tutela.actors import hours, style
from tutela.actors.evidence import Evidence
from tutela.actors.model import Link, LinkEvidence, Named, Post, Tier
from tutela.actors.weighing import Weights
from tutela.observation.model import EntityKind

CONTACTS = frozenset(EntityKind) - {EntityKind.HANDLE, EntityKind.PGP_KEY}
# Letters that are drawn alike, and digits that stand for letters.
_ALIKE = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u04450134578", "aeopcyxoieastb")
HANDLE_CHARACTERS = 5
HOURS_POSTS = 20
HOURS_ALIKE = 0.9
STYLE_ACCOUNTS = 600

Pair = tuple[int, int]


def links(
    evidence: Evidence, weights: Weights, accounts: Collection[int] | None = None
) -> tuple[Link, ...]:
    """Return the pairs of accounts for which something speaks, the strongest first.

    `accounts` limits who is looked at for hints; signatures and contact ids are looked for in all.
    """
    among = sorted(evidence.candidates() if accounts is None else accounts)
    found: dict[Pair, list[LinkEvidence]] = defaultdict(list)
    for each in (
        *signatures(evidence, weights),
        *_proved(evidence),
        *_contacts(evidence, weights),
        *_handles(evidence, weights, among),
        *_avatars(evidence, weights, among),
        *_media(evidence, weights, among),
    ):
        found[each.first, each.second].append(each)
    for pair, there in found.items():
        there.extend(_hours(evidence, pair))
    made = [_link(pair, there, weights) for pair, there in found.items()]
    return tuple(sorted(made, key=lambda link: (-link.bits, link.first, link.second)))


def merging(evidence: Evidence, weights: Weights) -> tuple[Link, ...]:
    """Return only the pairs that may be merged: all that ranking needs of linking."""
    found: dict[Pair, list[LinkEvidence]] = defaultdict(list)
    for each in (*signatures(evidence, weights), *_proved(evidence)):
        if each.tier is Tier.A:
            found[each.first, each.second].append(each)
    return tuple(_link(pair, found[pair], weights) for pair in sorted(found))


def _link(pair: Pair, there: Sequence[LinkEvidence], weights: Weights) -> Link:
    # Two finds of one kind and value would be one find: each sentence counts once.
    independent = {each.sentence for each in there if each.tier is Tier.B}
    return Link(
        first=pair[0],
        second=pair[1],
        evidence=tuple(sorted(there, key=lambda e: (e.tier.value, -e.bits, e.kind))),
        merges=any(each.tier is Tier.A for each in there),
        links=len(independent) >= weights.link.independent,
    )


def bits(m: float, sharing: int, accounts: int) -> float:
    """Return the match weight of a value that so many of all accounts share."""
    chance = max(sharing - 1, 1) / max(accounts - 1, 1)
    return log2(max(m, 1e-6) / min(chance, 1.0))


def _own_names(evidence: Evidence) -> Iterable[tuple[Post, Named]]:
    for posts in evidence.posts.values():
        for post in posts:
            for named in post.named:
                if not named.quoted:
                    yield post, named


def signatures(evidence: Evidence, weights: Weights) -> list[LinkEvidence]:
    """Return what signed texts say: tier A where they name both accounts, else tier B."""
    said: dict[str, list[tuple[str, int, Post, Named]]] = defaultdict(list)
    for post, named in _own_names(evidence):
        if named.verified and named.statement and post.at is not None:
            said[named.statement].append((post.at.isoformat(), post.id, post, named))
    proofs: dict[str, dict[int, tuple[bool, int]]] = defaultdict(dict)
    for each in said.values():
        # Who repeats a text proves nothing; the text that names its author is never a copy.
        _, _, post, named = min(each, key=lambda e: (not e[3].names_author, e[0], e[1]))
        named_before, first_post = proofs[named.value].get(post.account, (False, post.id))
        if named.names_author and not named_before:
            first_post = post.id
        proofs[named.value][post.account] = (named.names_author or named_before, first_post)
    found = []
    for holders in proofs.values():
        for one, other in combinations(sorted(holders), 2):
            names = holders[one][0] and holders[other][0]
            found.append(
                LinkEvidence(
                    first=one,
                    second=other,
                    tier=Tier.A if names else Tier.B,
                    kind="signature",
                    bits=bits(weights.link.signature, len(holders), len(evidence.accounts)),
                    sentence="one key signed texts on both"
                    + (", each naming the account" if names else ", of which one names no account"),
                    posts=(holders[one][1], holders[other][1]),
                )
            )
    return found


def _proved(evidence: Evidence) -> list[LinkEvidence]:
    return [
        LinkEvidence(
            first=min(pair),
            second=max(pair),
            tier=Tier.A,
            kind="site",
            bits=log2(max(2, len(evidence.accounts))),
            sentence="the site itself shows that they are one account",
        )
        for pair in evidence.observed.proved
        if pair[0] != pair[1] and set(pair) <= evidence.accounts.keys()
    ]


def _contacts(evidence: Evidence, weights: Weights) -> list[LinkEvidence]:
    holders: dict[tuple[EntityKind, str], dict[int, int]] = defaultdict(dict)
    for post, named in _own_names(evidence):
        if named.kind in CONTACTS and named.checked:
            holders[named.kind, named.value].setdefault(post.account, post.id)
    found = []
    for (kind, value), posts in sorted(holders.items()):
        if not 2 <= len(posts) <= weights.link.rare_accounts:
            continue
        weight = bits(weights.link.contact, len(posts), len(evidence.accounts))
        sentence = f"the same {kind.value} id, {value[:12]}, on {len(posts)} accounts in all"
        for one, other in combinations(sorted(posts), 2):
            at = (posts[one], posts[other])
            found.append(_evidence(one, other, Tier.B, kind.value, weight, sentence, at))
    return found


def _evidence(  # noqa: PLR0913, PLR0917 the fields of one value
    first: int,
    second: int,
    tier: Tier,
    kind: str,
    weight: float,
    sentence: str,
    posts: tuple[int, ...] = (),
) -> LinkEvidence:
    return LinkEvidence(
        first=first,
        second=second,
        tier=tier,
        kind=kind,
        bits=weight,
        sentence=sentence,
        posts=posts,
    )


def skeleton(handle: str) -> str:
    """Return what is left of a handle without case, marks, numbers and look-alike letters."""
    decomposed = unicodedata.normalize("NFKD", handle).casefold()
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    bare = letters.strip("0123456789_-. ")
    return "".join(c for c in bare.translate(_ALIKE) if c.isalnum())


def _groups(
    evidence: Evidence, among: Iterable[int], key: dict[int, str]
) -> Iterable[tuple[list[int], int]]:
    """Yield the accounts that share a value, and on how many of all it is."""
    everybody: dict[str, int] = defaultdict(int)
    for value in key.values():
        everybody[value] += 1
    shared: dict[str, list[int]] = defaultdict(list)
    for account in among:
        if key.get(account):
            shared[key[account]].append(account)
    for value, accounts in sorted(shared.items()):
        if len(accounts) >= 2 and everybody[value] <= max(6, len(evidence.accounts) // 100):
            yield accounts, everybody[value]


def _handles(evidence: Evidence, weights: Weights, among: Sequence[int]) -> list[LinkEvidence]:
    bones = {number: skeleton(each.handle) for number, each in evidence.accounts.items()}
    bones = {number: bone for number, bone in bones.items() if len(bone) >= HANDLE_CHARACTERS}
    found = []
    for accounts, count in _groups(evidence, among, bones):
        weight = bits(weights.link.handle, count, len(evidence.accounts))
        sentence = f"handles that read alike, on {count} accounts in all"
        for one, other in combinations(accounts, 2):
            found.append(_evidence(one, other, Tier.C, "handle", weight, sentence))
    return found


def _avatars(evidence: Evidence, weights: Weights, among: Sequence[int]) -> list[LinkEvidence]:
    pictures = {n: each.avatar for n, each in evidence.accounts.items() if each.avatar}
    found = []
    for accounts, count in _groups(evidence, among, pictures):
        weight = bits(weights.link.avatar, count, len(evidence.accounts))
        sentence = f"the same avatar, on {count} accounts in all"
        for one, other in combinations(accounts, 2):
            found.append(_evidence(one, other, Tier.C, "avatar", weight, sentence))
    return found


def _media(evidence: Evidence, weights: Weights, among: Sequence[int]) -> list[LinkEvidence]:
    """Shared things weigh by how few have them; two who follow one source share much, too."""
    holders: dict[str, set[int]] = defaultdict(set)
    for account in evidence.candidates():
        for holding in evidence.holdings[account]:
            holders[holding.entity].add(account)
    wanted = set(among)
    sums: dict[Pair, list[float]] = defaultdict(list)
    for accounts in holders.values():
        weight = bits(weights.link.media, len(accounts), len(holders))
        for pair in combinations(sorted(accounts & wanted), 2) if weight > 0 else ():
            sums[pair].append(weight)
    return [
        _evidence(*pair, Tier.C, "media", sum(each), f"{len(each)} known things in common")
        for pair, each in sorted(sums.items())
        if sum(each) >= weights.link.media_bits
    ]


def _hours(evidence: Evidence, pair: Pair) -> list[LinkEvidence]:
    days = [
        [hours.hour(post.at) for post in evidence.posts[account] if post.at is not None]
        for account in pair
    ]
    if min(map(len, days)) < HOURS_POSTS:
        return []
    alike = hours.overlap(*days)
    if alike < HOURS_ALIKE:
        return []
    return [_evidence(*pair, Tier.C, "hours", 1.0, f"they write at the same hours ({alike:.2f})")]


def style_hints(
    evidence: Evidence, weights: Weights, accounts: Sequence[int]
) -> tuple[LinkEvidence, ...]:
    """Return who writes like whom, among accounts with 5,000 characters or more: hints for a list.

    At most 600 accounts are compared, in the order given.
    """
    texts = {
        account: text
        for account in accounts[:STYLE_ACCOUNTS]
        if len(text := "\n".join(p.text for p in evidence.posts[account] if p.text))
        >= style.HINT_CHARACTERS
    }
    numbers = sorted(texts)
    table = style.vectors([texts[number] for number in numbers])
    z = style.z_scores(table, table)
    found = []
    for one, other in combinations(range(len(numbers)), 2):
        # Both must stand out for the other; an account is most like itself, hence no diagonal.
        stands_out = min(z[one, other], z[other, one])
        if stands_out >= weights.link.style_hint_z:
            sentence = f"they write alike (z {stands_out:.1f}): a hint, whatever it says"
            pair = (numbers[one], numbers[other])
            found.append(_evidence(*pair, Tier.C, "style", 2.0, sentence))
    return tuple(found)
