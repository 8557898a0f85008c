"""Logs of conversations: lines of IRC, Pidgin and phones, and tables with a name and a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from tutela.crawl.addressing import Resolver
from tutela.crawl.content import Content
from tutela.crawl.layouts import forum, grammar, threads
from tutela.crawl.layouts.grammar import Grammar
from tutela.crawl.layouts.layout import MAX_POSTS, Finding, Found, Page, Posts
from tutela.crawl.times import Clock
from tutela.crawl.tree import Node, Tree
from tutela.observation.model import Author, Layout

GRAMMARS = (
    Grammar(
        name="a log of messages",
        containers=(
            "chat-message", "chatline", "chat-line", "log-line", "logline", "irc-line",
            "event", "msg",
        ),
        bodies=("text", "msg-text", "message-text", "chat-text", "content", "body", "message"),
        authors=("nick", "sender", "from", "from_name", "username", "author", "user"),
        times=("<time", "time", "timestamp", "ts", "date"),
        outermost=True,
        sure=0.5,
    ),
)  # fmt: skip

_WHEN = (
    r"[\[(]?(?P<when>(?:\d{4}-\d{2}-\d{2}[ t]|\d{1,2}[./-]\d{1,2}[./-]\d{2,4},? )?"
    r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]m)?z?)[\])]?\s{0,3}(?:- )?"
)
_LINES = (
    re.compile(
        rf"(?:{_WHEN})?<(?P<mode>[@+%~&!]?)\s?(?P<nick>[^\s<>]{{1,40}})>\s(?P<said>.*)",
        re.IGNORECASE,
    ),
    re.compile(
        rf"{_WHEN}(?P<mode>)(?P<nick>[^\s:<>*][^:<>\n]{{0,40}}?):\s(?P<said>.*)", re.IGNORECASE
    ),
    re.compile(
        rf"(?:{_WHEN})?(?P<mode>)\*\s(?P<nick>[^\s<>*]{{1,40}})\s(?P<said>.*)", re.IGNORECASE
    ),
)
_DAY = re.compile(
    r"(?:-{2,3} ?(?:log opened|day changed)|session start:|\*{2,5} ?begin logging at|date:)"
    r" ?(.{6,40})",
    re.IGNORECASE,
)
_CLOCK_ONLY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s?([ap]m)?", re.IGNORECASE)
_SAMPLE_LINES = 60
_LINE_CHARACTERS = 8_000
_LEAST = 3  # lines that make a conversation


class ChatLog:
    """Logs of conversations."""

    kind = Layout.CHAT_LOG

    def recognise(self, page: Page) -> Finding:
        """Look at the first lines, or for a table of messages."""
        finding = forum.best_of(GRAMMARS, page)[1]
        lines = [line for line in _lines(page, _SAMPLE_LINES) if line.strip()]
        said = sum(any(p.match(line[:_LINE_CHARACTERS]) for p in _LINES) for line in lines)
        if said >= _LEAST and said * 2 >= len(lines):
            share = said / len(lines)
            by_lines = Finding(0.5 + 0.4 * share, (f"{said} of {len(lines)} lines are messages",))
            finding = max(finding, by_lines)
        rows = _rows(page.tree)
        if len(rows) >= _LEAST and finding.confidence < 0.6:
            finding = Finding(0.6, (f"a table of {len(rows)} messages",))
        return finding

    def read(self, page: Page) -> Posts:
        """Find messages by elements, else by rows, else by lines."""
        best, finding = forum.best_of(GRAMMARS, page)
        rows = _rows(page.tree)
        if best is not None and finding.confidence >= 0.5:
            found = list(grammar.posts(best, page))
        elif len(rows) >= _LEAST:
            found = [_by_row(number, row) for number, row in enumerate(rows, 1)]
        else:
            found = _by_lines(_lines(page, None))
        return Posts(
            found[:MAX_POSTS],
            thread=threads.key_of(page.url),
            thread_title=page.tree.title(),
            more=len(found) > MAX_POSTS,
        )


def _lines(page: Page, limit: int | None) -> list[str]:
    """Return the lines of the text of a page; none where it is laid out by elements."""
    tree = page.tree
    pre = tree.tagged.get("pre", []) or tree.tagged.get("textarea", [])
    if pre:
        node = max(pre, key=lambda n: sum(len(c) for c in n.children if isinstance(c, str)))
        texts = [child for child in node.children if isinstance(child, str)]
        if len(texts) == 1 and len(node.children) == 1:
            # Cut before splitting: a page may be one line of megabytes.
            head = texts[0] if limit is None else texts[0][: limit * 400]
            return head.split("\n", -1 if limit is None else limit)[:limit]
    elif len(tree.tagged.get("br", [])) >= _LEAST and len(tree.tagged.get("div", [])) < 20:
        node = next(iter(tree.tagged.get("body", [])), tree.root)
    else:
        return []
    content = Content(Resolver(page.url))
    content.gather(node)
    return content.text.split("\n")[:limit]


def _by_lines(lines: list[str]) -> list[Found]:
    clock = Clock()
    found: list[Found] = []
    day: datetime | None = None
    for number, whole in enumerate(lines, 1):
        line = whole[:_LINE_CHARACTERS].rstrip("\r")
        opened = _DAY.match(line)
        if opened is not None:
            day = clock.read(opened[1]) or day
            continue
        message = next((m for m in (p.match(line) for p in _LINES) if m is not None), None)
        if message is None:
            if found and line.strip() and len(found[-1].text) < _LINE_CHARACTERS:
                found[-1].text += f"\n{line}"
            continue
        if len(found) > MAX_POSTS:
            break
        role = "operator" if message["mode"] in {"@", "&", "~"} else ""
        found.append(
            Found(
                key=str(number),
                author=Author(message["nick"].strip(), role=role),
                posted_at=_moment(message["when"], day, clock),
                text=message["said"],
            )
        )
    return found


def _moment(when: str | None, day: datetime | None, clock: Clock) -> datetime | None:
    if not when:
        return None
    moment = clock.read(when)
    if moment is not None or day is None:
        return moment
    told = _CLOCK_ONLY.fullmatch(when.strip().rstrip("zZ"))
    if told is None:
        return None
    hour = int(told[1]) % 12 + (12 if told[4].lower() == "pm" else 0) if told[4] else int(told[1])
    start = day.replace(hour=0, minute=0, second=0, microsecond=0)
    return start + timedelta(hours=hour, minutes=int(told[2]), seconds=int(told[3] or 0))


def _rows(tree: Tree) -> list[list[Node]]:
    """Return the cells of rows that are a time, a name and words."""
    rows = []
    for row in tree.tagged.get("tr", [])[: MAX_POSTS + 1]:
        cells = [c for c in row.children if isinstance(c, Node) and c.tag == "td"]
        if len(cells) == 3 and _CLOCK_ONLY.search(cells[0].words(40)):
            rows.append(cells)
    return rows


def _by_row(number: int, cells: list[Node]) -> Found:
    nick = cells[1].words(80).strip("<>: ")
    return Found(
        key=str(number),
        container=cells[0].parent,
        body=cells[2],
        author=Author(nick) if nick else None,
        timed=cells[0],
    )
