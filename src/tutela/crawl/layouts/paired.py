"""Forums laid out as rows: a name in one row, the words in the next, nothing around both.

So are phpBB 2 and the `subsilver` style of phpBB 3.
"""

from __future__ import annotations

import re
from bisect import bisect_left

from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Found
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author

_HANDLE_CHARACTERS = 120
_SURE = 0.8
_ANCHOR = re.compile(r"p?(\d{1,15})")


def recognise(tree: Tree) -> Finding:
    """Say whether names and words of posts alternate."""
    pairs = _pairs(tree)
    if not pairs:
        return Finding(0.0)
    return Finding(_SURE, ("phpBB in rows: names and bodies alternate",))


def posts(tree: Tree) -> list[Found]:
    """Return the posts of a page, at most one more than are read."""
    found = []
    anchors = _anchors(tree)
    begun = 0
    for name, body in _pairs(tree)[: MAX_POSTS + 1]:
        row = next((n for n in name.above() if n.tag in {"tr", "table"}), name)
        handle = name.words(_HANDLE_CHARACTERS)
        found.append(
            Found(
                key=_key(anchors, begun, body),
                container=body,
                body=body,
                author=Author(handle) if handle else None,
                timed=row,
            )
        )
        begun = body.end
    return found


def _pairs(tree: Tree) -> list[tuple[Node, Node]]:
    """Return names and bodies that alternate; what lies in a body is its content."""
    bodies: list[Node] = []
    for node in tree.classed.get("postbody", []):
        if not node.hidden and not (bodies and bodies[-1].holds(node)):
            bodies.append(node)
    marked = tree.classed.get("postauthor", []) or tree.classed.get("name", [])
    at, names = 0, []
    for node in marked:
        while at < len(bodies) and bodies[at].end < node.begin:
            at += 1
        if at == len(bodies) or not bodies[at].holds(node):
            names.append(node)
    pairs = list(zip(names, bodies, strict=False))
    behind = [0, *(body.end for body in bodies)]
    alternate = all(
        end < name.begin < body.begin for end, (name, body) in zip(behind, pairs, strict=False)
    )
    return pairs if len(names) == len(bodies) and alternate else []


def _anchors(tree: Tree) -> list[tuple[int, str]]:
    """Return the places and numbers of anchors that number posts, in the order of the page."""
    found = []
    for anchor in tree.tagged.get("a", []):
        numbered = _ANCHOR.fullmatch(anchor.get("name") or anchor.get("id"))
        if numbered is not None:
            found.append((anchor.begin, numbered[1]))
    return found


def _key(anchors: list[tuple[int, str]], begun: int, body: Node) -> str:
    """Return the number of the last anchor between two bodies."""
    at = bisect_left(anchors, (body.begin, "")) - 1
    return anchors[at][1] if at >= 0 and anchors[at][0] > begun else ""
