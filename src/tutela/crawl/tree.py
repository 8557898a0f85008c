"""A page as a bounded tree of our own: built in one pass, with what readers look for by name.

The parser's tree is left as soon as it was walked: asking it again and again by selectors costs
more than all that is done here, and its nodes do not say whether one lies inside another.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_NODES = 400_000
MAX_DEPTH = 200

# What a browser does not show, or what nothing is read from.
_PASSED = frozenset(
    "-comment !doctype -document script style template svg math object embed canvas".split()  # noqa: SIM905 a line of names
)
_CONCEALED = re.compile(
    r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|font-size\s{0,9}:\s{0,9}0(?![.\d])"
)
_CONCEALING_RULE = re.compile(r"\.([\w-]{1,60})\s{0,5}\{[^{}]{0,300}?display\s{0,5}:\s{0,5}none")


class Node:
    """An element: its children are elements and texts; `begin` and `end` are places in the page."""

    __slots__ = ("attributes", "begin", "children", "classes", "end", "hidden", "parent", "tag")

    def __init__(
        self, tag: str, attributes: dict[str, str | None], parent: Node | None, begin: int
    ) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.begin = begin
        self.end = begin
        self.children: list[Node | str] = []
        self.classes: tuple[str, ...] = ()
        self.hidden: bool = False if parent is None else parent.hidden

    def get(self, name: str) -> str:
        """Return an attribute, empty where there is none."""
        return self.attributes.get(name) or ""

    def holds(self, other: Node) -> bool:
        """Whether the other element lies in this one (or is it)."""
        return self.begin <= other.begin <= self.end

    def above(self) -> Iterator[Node]:
        """Yield the elements that this one lies in, innermost first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def words(self, limit: int = 400) -> str:
        """Return what the element shows, spaces folded, at most so many characters of it."""
        parts: list[str] = []
        self.gather(parts, limit)
        return " ".join("".join(parts).split())[:limit]

    def gather(self, parts: list[str], left: int) -> int:
        """Add what the element shows to `parts`; return how many characters are left to take."""
        for child in self.children:
            if left <= 0:
                break
            if isinstance(child, str):
                parts.append(child[: left * 4])
                left -= len(child)
            elif not child.hidden:
                left = child.gather(parts, left)
        if self.tag not in _INLINE:
            parts.append(" ")
        return left


_INLINE = frozenset(
    [
        "a",
        "b",
        "i",
        "em",
        "strong",
        "span",
        "font",
        "small",
        "big",
        "u",
        "s",
        "sup",
        "sub",
        "abbr",
        "bdi",
        "bdo",
    ]
)


class Tree:
    """A page: its root, and its elements by tag, by class and by id, in the order of the page."""

    def __init__(self) -> None:
        self.root = Node("html", {}, None, 0)
        self.tagged: dict[str, list[Node]] = {}
        self.classed: dict[str, list[Node]] = {}
        self.named: list[Node] = []  # those with an id
        self._places: dict[
            str, list[int]
        ] = {}  # where those of a name begin, once it was asked for
        self.count = 0
        self.truncated: set[str] = set()
        self.notes: dict[str, object] = {}  # what layouts found out and need again

    def inside(self, node: Node, name: str) -> list[Node]:
        """Return elements within one, by class (`post`), id prefix (`#msg_`) or tag (`<time`)."""
        if name[0] == "#":
            found = self._between("#", self.named, node)
            prefix = name[1:]
            return [n for n in found if n.get("id").lower().startswith(prefix)]
        nodes = self.tagged.get(name[1:]) if name[0] == "<" else self.classed.get(name)
        return [] if nodes is None else self._between(name, nodes, node)

    def _between(self, name: str, nodes: list[Node], node: Node) -> list[Node]:
        """Return those of `nodes`, in the order of the page, that lie in an element."""
        places = self._places.get(name)
        if places is None:
            places = self._places[name] = [one.begin for one in nodes]
        begin = bisect_left(places, node.begin)
        return nodes[begin : bisect_right(places, node.end, begin)]

    def title(self) -> str:
        """Return the title of the page."""
        found = self.tagged.get("title", [])
        return found[0].words(500) if found else ""

    def release(self) -> None:
        """Let go of all elements: they point at each other, and would wait for the collector."""
        self.notes.clear()
        for nodes in self.tagged.values():
            for node in nodes:
                node.parent = None


def parse(html: str) -> Tree:
    """Parse a page; what lies beyond the limits of nodes and depth is left out and said so."""
    parser = LexborHTMLParser(html)
    builder = _Builder(_concealed_classes(html))
    top = parser.root
    if top is not None:
        builder.build(top)
    return builder.tree


def _concealed_classes(html: str) -> frozenset[str]:
    """Return the classes that a style sheet of the page itself hides."""
    if "<style" not in html:
        return frozenset()
    begin = html.find("<style")
    sheet = html[begin : begin + 65_536].partition("</style")[0]
    if "none" not in sheet:
        return frozenset()
    return frozenset(name.lower() for name in _CONCEALING_RULE.findall(sheet))


class _Builder:
    """Walks the parser's tree once, without recursion."""

    def __init__(self, concealed: frozenset[str]) -> None:
        self.tree = Tree()
        self._concealed = concealed

    def build(self, top: LexborNode) -> None:
        """Walk in the order of the page: down to the first child, else on to the next node."""
        tree = self.tree
        tagged, add = tree.tagged, self._entered
        node: LexborNode | None = top.first_child
        above: list[LexborNode] = []  # where we came down
        parent, count = tree.root, 0
        while node is not None:
            count += 1
            tag = node.tag
            if tag == "-text":
                parent.children.append(node.text_content or "")
            elif tag is not None and tag not in _PASSED:
                element = Node(tag, node.attributes, parent, count)
                parent.children.append(element)
                if tag in tagged:
                    tagged[tag].append(element)
                else:
                    tagged[tag] = [element]
                if element.attributes:
                    add(element)
                down = node.first_child
                if down is not None:
                    if len(above) < MAX_DEPTH and count < MAX_NODES:
                        above.append(node)
                        parent, node = element, down
                        continue
                    tree.truncated.add("depth" if len(above) >= MAX_DEPTH else "nodes")
            following = None if count >= MAX_NODES else node.next
            while following is None and above:
                parent.end = count
                parent = parent.parent or tree.root
                node = above.pop()
                following = None if count >= MAX_NODES else node.next
            node = following
        if count >= MAX_NODES:
            tree.truncated.add("nodes")
        tree.root.end = tree.count = count

    def _entered(self, element: Node) -> None:
        """Enter an element under its names, and see whether it is shown."""
        attributes, classed = element.attributes, self.tree.classed
        classes = attributes.get("class")
        if classes:
            names = element.classes = tuple(classes.lower().split()[:40])
            for name in names:
                if name not in classed:
                    classed[name] = [element]
                elif classed[name][-1] is not element:
                    classed[name].append(element)
            if self._concealed and not self._concealed.isdisjoint(names):
                element.hidden = True
        if "id" in attributes:
            self.tree.named.append(element)
        if "style" in attributes or "hidden" in attributes:
            style = attributes.get("style")
            if "hidden" in attributes or (style and _CONCEALED.search(style.lower())):
                element.hidden = True
