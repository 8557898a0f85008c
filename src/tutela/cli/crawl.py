"""`tutela crawl`: order a crawl with two persons, start, watch, pause and stop it.

Nothing heavy is loaded here: `stop` is quick.
"""

from __future__ import annotations

from cyclopts import App, Parameter

# Verbs whose function cannot have their name.
_NAMES = {"unknown": "unknown_"}

app = App(
    name="crawl",
    help="Crawl sites under a legal order that two persons made; start, watch and stop it.",
    default_parameter=Parameter(negative=()),
)
for _module, _verb, _help in (
    ("authorise", "authorise", "Ask for a crawl order, or carry out one that was granted."),
    ("order", "start", "Let an order be worked on from now on, or again after a pause."),
    ("work", "work", "Crawl what started orders allow, until it is stopped."),
    ("order", "status", "Show your orders: what was found, what came of it, what waits and why."),
    ("report", "report", "Show what came of an order: by host, outcome and link left alone."),
    ("found", "notices", "Show pages that a hotline or the police has to hear of, or close one."),
    ("found", "unknown", "Show media that no list has and that stand on several sites."),
    ("found", "compare", "Hold what was seen against the hash lists as they are now."),
    ("found", "expire", "Destroy the words of posts whose time is over."),
    ("order", "pause", "Let nothing more of an order be asked for until it is started again."),
    ("order", "revoke", "Make an order void for ever."),
    ("order", "drop", "Crawl one host of an order no more."),
    ("order", "mirrors", "Say that hosts are one machine: they share one pace."),
    ("stop", "stop", "Stop all crawling, of every order, at once."),
    ("stop", "release", "Lower the kill switch: orders that are started go on."),
):
    app.command(f"tutela.cli.crawl_{_module}:{_NAMES.get(_verb, _verb)}", name=_verb, help=_help)
