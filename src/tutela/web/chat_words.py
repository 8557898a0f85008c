"""Words for what conversations name by keys: signs of risk, stages, what speaks against, states."""

from __future__ import annotations

from tutela.web.language import N_

# What a line shows, never what somebody is.
SIGNS = {
    "age": N_("asks for age or gender"),
    "alone": N_("asks who is near"),
    "secrecy": N_("asks for secrecy"),
    "isolation": N_("speaks against parents or friends"),
    "channel": N_("asks to go to a private channel"),
    "picture": N_("asks for a picture or the camera"),
    "gift": N_("offers gifts or money"),
    "flattery": N_("praises, as nobody else does"),
    "threat": N_("threatens with what was sent"),
    "pressure": N_("presses for more"),
    "meeting": N_("proposes to meet"),
    "persistence": N_("asks again after a refusal"),
    "minor": N_("the other is said to be under 18"),
    "asymmetry": N_("asks far more than is asked"),
    "night": N_("at night"),
    "known_media": N_("a file that a hash list has"),
}

STAGES = {
    "access": N_("getting to know"),
    "trust": N_("trust"),
    "isolation": N_("setting apart"),
    "approach": N_("approach"),
    "pressure": N_("pressure"),
}

AGAINST = {
    "both_ask": N_("Both show the same signs"),
    "other_adult": N_("The other is said to be an adult"),
    "adult_talk": N_("The other speaks of own children, or a job"),
    "one_line": N_("Everything rests on one line"),
    "peer": N_("Who shows them is said to be under 18 too"),
    "relative": N_("One speaks as family to the other"),
    "family": N_("One speaks as family to the other more than once"),
    "same_home": N_("They seem to live in one home"),
    "role": N_("They speak as teacher and pupil, or the like"),
    "setting": N_("They speak as teacher and pupil, or the like, more than once"),
    "sale": N_("Things are sold"),
    "surprise": N_("A present or a party is planned"),
    "aware": N_("The talk is about staying safe"),
}

STATES = {
    "open": N_("not looked at"),
    "read": N_("looked at"),
    "handed_over": N_("handed over"),
    "dismissed": N_("set aside"),
}

WHICH = {
    "undecided": N_("Not decided"),
    "alert": N_("Alerts"),
    "all": N_("All"),
}

VERDICTS = {
    "true": N_("supports it"),
    "false": N_("does not support it"),
    "unsure": N_("unsure"),
}

# What was repaired, and why something was left out.
TROUBLES = {
    "broken_json": N_("broken JSON"),
    "columns": N_("columns are missing"),
    "doctype": N_("refused: it defines entities"),
    "nesting": N_("nested too deep"),
    "too_large": N_("too large"),
    "too_many_messages": N_("too many messages"),
    "truncated": N_("ended before its end"),
    "xml": N_("broken XML"),
    "cut": N_("cut short"),
    "encoding": N_("bytes that are no text were replaced"),
    "no_time": N_("without a time that can be believed"),
    "time_back": N_("earlier than the one before"),
    "name_collision": N_("several speakers of one name"),
    "malformed": N_("could not be read"),
}
