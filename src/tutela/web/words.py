"""Words for what the rooms below name by keys: states, orders, reasons."""

from __future__ import annotations

from tutela.casework.model import Reason
from tutela.web.language import N_, Language

# A code that is a word of ours, as it stands in a small place.
GRADES = {"none": N_("outside")}

STATES = {
    "open": N_("open"),
    "known": N_("known on arrival"),
    "graded": N_("graded"),
    "inferred": N_("inferred from its stack"),
    "set_aside": N_("set aside"),
}

ORDERS = {
    "review": N_("Most likely first"),
    "-stack": N_("Largest stacks first"),
    "-sightings": N_("In most places first"),
    "captured": N_("Taken earliest first"),
    "-captured": N_("Taken latest first"),
    "camera": N_("By camera"),
    "-size": N_("Largest files first"),
}


def grade(speaks: Language, code: str | None) -> str:
    """Return a grade's code for a person, short."""
    return "" if code is None else speaks.gettext(GRADES[code]) if code in GRADES else code


def reason(speaks: Language, why: Reason) -> str:
    """Return a reason as a sentence part, in the person's language."""
    text = speaks.gettext(REASONS.get(why.key, why.key))
    try:
        return text % why.values
    except (KeyError, ValueError):
        return text


REASONS: dict[str, str] = {
    "exact_hit": N_("the same bytes are on list %(list)s"),
    "digest_hit": N_("%(algorithm)s is on list %(list)s"),
    "looks_like": N_(
        "looks like an entry of list %(list)s (%(algorithm)s, %(distance_bits)s bits)"
    ),
    "near_known": N_("looks like something known (%(distance_bits)s bits)"),
    "in_series": N_("in series %(series)s"),
    "camera_of_known": N_("camera of something known"),
    "large_stack": N_("stack of %(size)s"),
    "many_places": N_("in %(places)s places"),
    "known_list": N_("graded on arrival by list %(list)s"),
    "known_agreement": N_("graded on arrival: organisations agree"),
    "ignorable": N_("on an ignorable list"),
    "no_picture": N_("no picture"),
    "undecodable": N_("cannot be drawn"),
    "same_camera": N_("the same camera body wrote them"),
    "same_series": N_("in series %(name)s"),
    "same_place": N_("taken within %(metres)s m of each other"),
    "same_scene": N_("surroundings look alike (%(distance_bits)s bits)"),
    "same_device": N_("from the same device"),
}

VICTIM_STATES = {
    "unidentified": N_("not identified"),
    "identified": N_("identified"),
    "safe": N_("safe"),
}

LINKS = {
    "camera": N_("Camera"),
    "series": N_("Series"),
    "place": N_("Place"),
    "scene": N_("Scene"),
    "device": N_("Device"),
}

FORMATS = {
    "html": N_("Report to read in a browser"),
    "pdf": N_("Report as PDF"),
    "vics": N_("VICS 2.0 case, fingerprints and grades"),
    "case-uco": N_("CASE/UCO JSON-LD"),
    "jsonl": N_("Everything as JSONL"),
    "csv": N_("Everything as CSV tables"),
}

# Values that the rooms below keep, and that pages show as they are.
VALUES = (
    # of cases, exhibits, accounts
    *(N_("open"), N_("closed"), N_("deleted")),
    *(N_("adding"), N_("complete")),
    *(N_("person"), N_("program")),
    *(N_("invited"), N_("active")),
    # roles of accounts
    *(N_("examiner"), N_("grader"), N_("victim identification"), N_("supervisor")),
    *(N_("administrator"), N_("auditor"), N_("list member"), N_("investigator")),
    # lists, and how something met them
    *(N_("alert"), N_("ignorable"), N_("allow")),
    *(N_("exact"), N_("indicative")),
    N_("no entry can be compared"),
    # published lists: what a member may do, and says
    *(N_("read"), N_("contribute"), N_("manage")),
    *(N_("confirm"), N_("dispute"), N_("false positive")),
    # what is asked for in an approval
    N_("roles"),
)
