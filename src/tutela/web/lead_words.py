"""Words for what leads name by keys: terms, counter-evidence, reasons, marks, links."""

from __future__ import annotations

from tutela.web.language import N_

TERMS = {
    "exact": N_("Known things, by digest"),
    "perceptual": N_("Known things, by likeness only"),
    "role": N_("Keeps the site running"),
    "spread": N_("On several sites"),
    "recency": N_("Active lately"),
    "markers": N_("Signs of abuse in person, confirmed"),
}

FACTORS = {
    "severity": N_("severity"),
    "reliability": N_("reliability of lists"),
    "likeness": N_("likeness"),
    "shown": N_("shown or linked"),
    "first seen": N_("seen here first"),
    "views": N_("views"),
    "views (assumed)": N_("views, assumed"),
}

# What sets one account above another, as `actors.explain` says it.
DIFFERENCES = (
    *(N_("number of things"), N_("severity of its things"), N_("how far their lists are believed")),
    *(N_("exact hits instead of likeness"), N_("showing instead of linking")),
    *(N_("being first with them"), N_("how many saw them"), N_("a few things of great worth")),
    *(N_("what is not sure of it"), N_("context")),
)

COUNTER = {
    "one_source": N_("Everything is on one list only"),
    "perceptual_only": N_("Much is known by likeness only"),
    "sources_differ": N_("Lists differ about how severe it is"),
    "one_burst": N_("Much of it lies within a few weeks"),
    "never_first": N_("Others had most of it before"),
    "self_generated": N_("Some of it may be self-generated"),
    "other_hours": N_("It came at other hours than the rest"),
    "other_style": N_("It was written in another style than the rest"),
    "quiet_before": N_("The account was quiet for long before"),
    "unsure_credit": N_("Some of it may be quoted, and is not counted"),
    "views_assumed": N_("The site shows no views: they are assumed"),
    "private_unseen": N_("Private messages and closed areas were not seen"),
}

WITHHELD = {
    "too_little": N_("too little evidence"),
    "safeguarding": N_("passed to safeguarding"),
    "check": N_("withheld for a check by a person"),
    "nothing_known": N_("nothing known of their own"),
}

MARKS = {
    "safeguarding": N_("May be a child's: to safeguarding"),
    "self_generated": N_("Shows who posts it: to safeguarding"),
    "officer": N_("To be left alone"),
    "hijacked": N_("Used by somebody else"),
    "administrator": N_("Keeps the site running, confirmed"),
    "contact_abuse": N_("Signs of abuse in person, confirmed"),
}

TIERS = {
    "A": N_("ranked as one"),
    "B": N_("linked"),
    "C": N_("a hint"),
}

LINK_STATES = {
    "suggested": N_("suggested"),
    "confirmed": N_("confirmed"),
    "undone": N_("undone"),
}

LINK_KINDS = {
    "signature": N_("one key signed on both"),
    "site": N_("the site shows that they are one"),
    "handle": N_("handles that read alike"),
    "avatar": N_("the same avatar"),
    "media": N_("known things in common"),
    "hours": N_("the same hours"),
    "style": N_("written alike"),
    "email": N_("the same e-mail address"),
    "bitcoin": N_("the same coin address"),
    "litecoin": N_("the same coin address"),
    "ethereum": N_("the same coin address"),
    "monero": N_("the same coin address"),
    "telegram": N_("the same Telegram name"),
    "session": N_("the same Session id"),
    "tox": N_("the same Tox id"),
    "xmpp": N_("the same XMPP address"),
}

LEAD_STATES = {
    "proposed": N_("proposed"),
    "released": N_("released"),
    "expired": N_("over"),
    "withdrawn": N_("taken back"),
}

EVENTS = {
    "offer": N_("Offers"),
    "request": N_("Requests"),
    "link": N_("Links given"),
    "reply": N_("Replies"),
    "thanks": N_("Thanks"),
    "media": N_("Media posted"),
    "hit": N_("Known media found"),
}

LAYOUTS = {
    "forum": N_("forum"),
    "imageboard": N_("imageboard"),
    "chat_log": N_("chat log"),
    "paste": N_("paste"),
    "generic": N_("unknown layout"),
}

NAMES = {
    "handle": N_("Handle"),
    "email": N_("E-mail"),
    "pgp_key": N_("PGP key"),
    "bitcoin": N_("Bitcoin address"),
    "litecoin": N_("Litecoin address"),
    "ethereum": N_("Ethereum address"),
    "monero": N_("Monero address"),
    "telegram": N_("Telegram name"),
    "session": N_("Session id"),
    "tox": N_("Tox id"),
    "xmpp": N_("XMPP address"),
}
