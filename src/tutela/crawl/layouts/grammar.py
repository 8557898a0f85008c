"""Grammars: by which names one kind of software marks the parts of a post."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Found, Page
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author

HANDLE_CHARACTERS = 120
_OF_POSTS = (
    "bodies",
    "authors",
    "times",
    "trips",
    "roles",
    "files",
    "asides",
    "edits",
    "thanks",
    "views",
)
_SAMPLE = 5  # containers that are looked at to recognise a page
_TOP = 20  # and to know the name of bodies
_DIGITS = re.compile(r"(\d{1,15})(?!.*\d)")
_PERMALINK = re.compile(r"#(?:p|post|msg|pid)?-?_?(\d{1,15})$")
_PROFILE = re.compile(
    r"(?:[?&;](?:u|uid|userid|user_id|id|user)=|action=profile;u=|members?(?:\.php)?[/?]|/users?/|/u/|/profile/)"
    r"(?:[\w%.-]{0,60}?[.-])?(\d{1,12})\b|(?:/u/|/users?/|/profile/|/member/|[?&;](?:user|username)=)([\w%.-]{1,60})"
)
_ROLE = re.compile(
    r"(?:site|board|global|super|forum|section|lead|head)?[\s-]?"
    r"(?P<role>admin|administrator|moderator|mod|owner|founder|janitor|staff)s?(?:\b|$)"
)
_ROLES = {"administrator": "admin", "mod": "moderator", "founder": "owner"}
_COUNT = re.compile(r"\d[\d,. ]{0,14}")


class Grammar(msgspec.Struct, frozen=True, kw_only=True):
    """By which names a software marks posts: classes, `#` and how an id begins, `<` and a tag.

    Where several names are given, the first that is there counts.

    Attributes:
        name: Of the software.
        containers: All of one post.
        container_id: How the id of a container begins, where only that tells posts apart.
        bodies: The words of the author.
        authors: The name of the author.
        times: When.
        trips: What follows a name to prove it (tripcodes, ids).
        roles: What the site says the author is.
        files: What was posted with the words, outside of them.
        asides: What in a body is not its words: signatures.
        edits: Notes of later changes.
        thanks: Who thanked.
        views: How often it was seen.
        titles: The title of the thread.
        marks: Names that only this software uses.
        outermost: Names of bodies are guesses: of equal ones the outermost counts.
        sure: How sure posts with a body alone make.
    """

    name: str
    containers: tuple[str, ...]
    container_id: tuple[str, ...] = ()
    bodies: tuple[str, ...]
    authors: tuple[str, ...]
    times: tuple[str, ...] = ()
    trips: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    asides: tuple[str, ...] = ("signature", "sig", "postsignature")
    edits: tuple[str, ...] = ()
    thanks: tuple[str, ...] = ()
    views: tuple[str, ...] = ("post-views", "views", "view-count")
    titles: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    outermost: bool = False
    sure: float = 0.6


def recognise(grammar: Grammar, tree: Tree) -> Finding:
    """Say how well a grammar fits a page, by its first few posts."""
    marked = _marked(grammar, tree)
    if marked.finding is None:
        marked.finding = _fit(marked, tree)
    return marked.finding


def _fit(marked: Marked, tree: Tree) -> Finding:
    if not marked.body_name:
        return Finding(0.0)
    grammar = marked.grammar
    tried = fitting = named = dated = 0
    for container, body in marked.containers():
        tried += 1
        if body is not None:
            fitting += 1
            named += _first(tree, container, grammar.authors, body) is not None
            dated += _first(tree, container, grammar.times, body) is not None
        if tried == _SAMPLE:
            break
    if fitting == 0 or fitting * 2 < tried:
        return Finding(0.0)
    confidence = grammar.sure
    why = [f"{grammar.name}: posts with a body"]
    if named * 2 >= fitting:
        confidence += 0.15
        why.append("authors")
    else:
        confidence -= 0.2
    if dated * 2 >= fitting:
        confidence += 0.1
        why.append("times")
    if any(tree.inside(tree.root, mark) for mark in grammar.marks):
        confidence += 0.1
        why.append("names of its own")
    return Finding(min(confidence, 0.99), tuple(why))


def posts(grammar: Grammar, page: Page) -> Iterator[Found]:
    """Yield the posts of a page, at most one more than are read."""
    tree = page.tree
    marked = _marked(grammar, tree)
    outer: list[tuple[Node, Found]] = []  # containers that the next one may hang under
    number = 0
    for container, body in marked.containers():
        if body is None:
            continue
        number += 1
        if number > MAX_POSTS + 1:
            return
        while outer and not outer[-1][0].holds(container):
            outer.pop()
        found = _post(marked.grammar, tree, container, body)
        if outer:
            found.parent = outer[-1][1].key
        outer.append((container, found))
        yield found


def _present(grammar: Grammar, tree: Tree) -> Grammar:
    """Return a grammar without names that a page has nowhere: each is asked for in every post."""
    kept = {
        part: tuple(name for name in getattr(grammar, part) if tree.inside(tree.root, name))
        for part in _OF_POSTS
    }
    return msgspec.structs.replace(grammar, **kept)


def _marked(grammar: Grammar, tree: Tree) -> Marked:
    """Return the containers of a page by a grammar, found once."""
    known = tree.notes.get(grammar.name)
    if not isinstance(known, Marked):
        known = tree.notes[grammar.name] = Marked(grammar, tree)
    return known


class Marked:
    """The containers of a page by one grammar.

    One name of bodies counts for the whole page, the one by which most posts have an author outside
    their body: markup in a post must not say where that post's body is. Only containers that lie in
    no other are asked, since those inside may be forged.
    """

    def __init__(self, grammar: Grammar, tree: Tree) -> None:
        self.finding: Finding | None = None
        self._tree = tree
        candidates: dict[int, Node] = {}
        for name in grammar.containers:
            for node in tree.inside(tree.root, name):
                if not node.hidden and _identified(node, grammar.container_id):
                    candidates[node.begin] = node
        self._candidates = [candidates[begin] for begin in sorted(candidates)]
        self.grammar = _present(grammar, tree) if candidates else grammar
        self.body_name = self._name_of_bodies() if candidates else ""

    def _name_of_bodies(self) -> str:
        sample: list[Node] = []
        for node in self._candidates:
            if not sample or not sample[-1].holds(node):
                sample.append(node)
                if len(sample) == _TOP:
                    break
        best, best_name = (0, 0), ""
        for name in self.grammar.bodies:
            fitting = first = 0
            for node in sample:
                body = self._named(node, name)
                if body is not None:
                    authors = self.grammar.authors
                    named = _first(self._tree, node, authors, body) is not None
                    fitting += 2 if named else 1
                    first = first or -(body.begin - node.begin)
            rank = (fitting, first if self.grammar.outermost else 0)
            if fitting and (not best_name or rank > best):
                best, best_name = rank, name
        return best_name

    def _named(self, container: Node, name: str) -> Node | None:
        for node in self._tree.inside(container, name):
            if node is not container and not node.hidden:
                return node
        return None

    def containers(self) -> Iterator[tuple[Node, Node | None]]:
        """Yield containers with their bodies; what lies in a body is content."""
        written_until = taken = 0
        for node in self._candidates:
            if node.begin <= written_until:
                continue
            body = self._named(node, self.body_name) if self.body_name else None
            if body is not None:
                written_until = body.end
            elif node.begin <= taken:
                continue
            taken = max(taken, node.end)
            yield node, body


def _identified(node: Node, prefixes: tuple[str, ...]) -> bool:
    if not prefixes:
        return True
    told = node.get("id").lower()
    return any(told.startswith(p) and told[len(p) :].isdigit() for p in prefixes)


def _first(tree: Tree, container: Node, names: Iterable[str], body: Node) -> Node | None:
    """Return the first element of a container by these names that does not lie in its body."""
    for name in names:
        for node in tree.inside(container, name):
            if not body.holds(node) and not node.hidden:
                return node
    return None


def _post(grammar: Grammar, tree: Tree, container: Node, body: Node) -> Found:
    viewed = _first(tree, container, grammar.views, body)
    parts = tuple(
        node
        for name in grammar.files
        for node in tree.inside(container, name)
        if not body.holds(node) and not node.hidden
    )
    edits = [node for name in grammar.edits for node in tree.inside(container, name)]
    asides = [node for name in grammar.asides for node in tree.inside(body, name)]
    thanks = _first(tree, container, grammar.thanks, body)
    return Found(
        key=_key(tree, container, body),
        container=container,
        body=body,
        parts=parts,
        without=frozenset([*asides, *(node for node in edits if body.holds(node))]),
        author=_author(grammar, tree, container, body),
        timed=_first(tree, container, grammar.times, body),
        thanked_by=() if thanks is None else _names(tree, thanks),
        views=None if viewed is None else count_in(viewed.words(60)),
        edited=bool(edits),
    )


def _key(tree: Tree, container: Node, body: Node) -> str:
    for node in (container, body):
        for name in ("data-post-id", "data-postid", "data-content", "data-id", "id", "name"):
            told = node.get(name)
            found = _DIGITS.search(told[-60:]) if told else None
            if found is not None:
                return found[1]
    for anchor in tree.inside(container, "<a"):
        if body.holds(anchor):
            continue
        found = _PERMALINK.search(anchor.get("href")[-60:]) or _PERMALINK.search(
            f"#{anchor.get('name') or anchor.get('id')}"
        )
        if found is not None:
            return found[1]
    return ""


def _author(grammar: Grammar, tree: Tree, container: Node, body: Node) -> Author | None:
    named = _first(tree, container, grammar.authors, body)
    if named is None:
        return None
    handle = _handle(named)
    if not handle:
        return None
    key = ""
    trip = _first(tree, container, grammar.trips, body)
    if trip is not None:
        key = trip.words(60).strip("() ").removeprefix("ID:").strip()
    if not key:
        key = _account(tree, named, container, body)
    role = ""
    for name in grammar.roles:
        for node in tree.inside(container, name):
            if not role and not body.holds(node):
                role = role_of(node.words(60))
    return Author(handle, key, role)


def _handle(named: Node) -> str:
    return (
        named.words(HANDLE_CHARACTERS).strip() or named.get("content")[:HANDLE_CHARACTERS].strip()
    )


def _account(tree: Tree, named: Node, container: Node, body: Node) -> str:
    """Return what a site tells accounts apart by, from the name or from a link around or in it."""
    near = [named, *tree.inside(named, "<a"), *(n for n in named.above() if n.tag == "a")]
    for node in near:
        for name in ("data-user-id", "data-userid", "data-uid", "data-author-id"):
            if node.get(name):
                return node.get(name)[:60]
        found = _PROFILE.search(node.get("href"))
        if found is not None:
            return found[1] or found[2]
    told = container.get("data-user-id")
    if told:
        return told[:60]
    handle = named.words(HANDLE_CHARACTERS)
    for anchor in tree.inside(container, "<a"):
        if not body.holds(anchor):
            found = _PROFILE.search(anchor.get("href"))
            if found is not None and anchor.words(HANDLE_CHARACTERS) == handle:
                return found[1] or found[2]
    return ""


def _names(tree: Tree, thanks: Node) -> tuple[str, ...]:
    handles = (_handle(anchor) for anchor in tree.inside(thanks, "<a")[:100])
    return tuple(dict.fromkeys(handle for handle in handles if handle))


def is_profile(address: str) -> bool:
    """Whether an address looks like that of an account."""
    return _PROFILE.search(address[:500]) is not None


def role_of(told: str) -> str:
    """Return `admin`, `moderator`, `owner`, `janitor` or `staff`; empty for other titles."""
    found = _ROLE.fullmatch(told.casefold().strip("#* ()"))
    if found is None:
        return ""
    return _ROLES.get(found["role"], found["role"])


def count_in(told: str) -> int | None:
    """Return the first number of a text."""
    found = _COUNT.search(told)
    if found is None:
        return None
    return int(re.sub(r"\D", "", found[0])[:12])
