"""Any other page: structures that repeat and have parts like an author and a time."""

from __future__ import annotations

from collections import defaultdict

from tutela.crawl.layouts import grammar, threads
from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Found, Page, Posts
from tutela.crawl.times import Clock
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author, Layout

_REPEATING = frozenset(["div", "article", "li", "tr", "section", "table", "p", "dd"])
_LEAST = 2
_SAMPLE = 12
_MAX_GROUPS = 400
_LEAST_CHARACTERS = 15
_AUTHOR_WORDS = ("author", "user", "nick", "poster", "member", "handle", "byline", "sender", "name")
_TIME_WORDS = ("date", "time", "posted", "stamp", "when", "ago")
_SHORT = 60  # characters of what may be a name

# What is surest still is less sure than a layout that is known.
_MOST = 0.5
_NOTHING = Finding(0.05, ("nothing known",))


class Group:
    """Elements of one shape under one parent."""

    def __init__(self, members: list[Node], authors: int, times: int) -> None:
        self.members = members
        self.authors = authors
        self.times = times
        self.sampled = min(len(members), _SAMPLE)

    @property
    def fit(self) -> float:
        """Which share of authors and times was found, 0 to 1."""
        return (self.authors + self.times) / (2 * self.sampled)


class Generic:
    """Pages of no known layout."""

    kind = Layout.GENERIC

    def recognise(self, page: Page) -> Finding:
        """Say how much the best repeated structure is like posts."""
        group = _best(page.tree)
        if group is None:
            return _NOTHING
        why = (
            f"{len(group.members)} parts of one shape",
            f"author-like in {group.authors} of {group.sampled}",
            f"time-like in {group.times} of {group.sampled}",
        )
        return Finding(0.1 + (_MOST - 0.1) * group.fit, why)

    def read(self, page: Page) -> Posts:
        """Return each part as a post; none where nothing repeats like posts."""
        group = _best(page.tree)
        if group is None:
            return Posts()
        members = group.members[: MAX_POSTS + 1]
        found = [_post(member) for member in members]
        return Posts(
            found[:MAX_POSTS],
            thread=threads.key_of(page.url),
            thread_title=threads.title_of(page.tree, (), found),
            more=len(found) > MAX_POSTS,
        )


def _best(tree: Tree) -> Group | None:
    """Return the best group; one inside a member of a fitting group is that member's content."""
    groups: dict[tuple[int, str, tuple[str, ...]], list[Node]] = defaultdict(list)
    for tag in _REPEATING:
        for node in tree.tagged.get(tag, []):
            if node.parent is not None and not node.hidden:
                groups[node.parent.begin, tag, node.classes[:1]].append(node)
    several = sorted(
        (members for members in groups.values() if len(members) >= _LEAST),
        key=lambda members: members[0].begin,
    )
    best: Group | None = None
    taken_until = 0
    for members in several[:_MAX_GROUPS]:
        if members[0].begin <= taken_until:
            continue
        group = _judged(members)
        if group is None:
            continue
        taken_until = members[-1].end
        if best is None or (group.fit, len(group.members)) > (best.fit, len(best.members)):
            best = group
    return best


def _judged(members: list[Node]) -> Group | None:
    """Count authors and times in some members; None where they are not like posts."""
    authors = times = worded = 0
    for member in members[:_SAMPLE]:
        named, timed = _author_part(member), _time_part(member)
        authors += named is not None
        times += timed is not None
        # A list of things has names and times as well, but says little beside them.
        left = len(member.words(400))
        left -= sum(len(part.words(_SHORT)) for part in (named, timed) if part is not None)
        worded += left >= _LEAST_CHARACTERS
    sampled = min(len(members), _SAMPLE)
    if worded * 2 < sampled or authors * 2 < sampled or times * 2 < sampled:
        return None
    return Group(members, authors, times)


def _elements(member: Node) -> list[Node]:
    """Return the first elements of a member, in the order of the page, and not too many."""
    found: list[Node] = []
    waiting: list[Node] = [member]
    while waiting and len(found) < 40:
        node = waiting.pop(0)
        for child in node.children:
            if isinstance(child, Node) and not child.hidden:
                found.append(child)
                waiting.append(child)
    return found[:40]


def _author_part(member: Node) -> Node | None:
    parts = _elements(member)
    for node in parts:
        name = " ".join(node.classes) or node.get("itemprop")
        if (
            name
            and any(word in name for word in _AUTHOR_WORDS)
            and 0 < len(node.words(_SHORT + 1)) <= _SHORT
        ):
            return node
    for node in parts:
        if node.tag == "a" and not grammar.is_profile(node.get("href")):
            continue
        if node.tag in {"b", "strong", "a", "cite"} and 0 < len(node.words(_SHORT + 1)) <= _SHORT:
            return node
    return None


def _time_part(member: Node) -> Node | None:
    clock = Clock()
    for node in _elements(member):
        if node.tag == "time":
            return node
        name = " ".join(node.classes)
        if name and any(word in name for word in _TIME_WORDS):
            return node
        if node.tag in {"span", "small", "td", "i", "em", "div"}:
            words = node.words(_SHORT + 1)
            if 6 <= len(words) <= _SHORT and clock.read(words) is not None:
                return node
    return None


def _post(member: Node) -> Found:
    named, timed = _author_part(member), _time_part(member)
    parts = frozenset(node for node in (named, timed) if node is not None)
    handle = "" if named is None else named.words(grammar.HANDLE_CHARACTERS).strip(":<> ")
    return Found(
        key=member.get("id")[:60],
        container=member,
        body=member,
        without=parts,
        author=Author(handle) if handle else None,
        timed=timed,
    )
