"""What speakers say of their own age, in four languages; nothing is guessed from how they write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

YOUNGEST: Final = 5
OLDEST: Final = 99
OF_AGE: Final = 18

_WORDS: Final = {
    "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13,
    "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "sieben": 7, "acht": 8, "neun": 9, "zehn": 10, "elf": 11, "zwolf": 12, "dreizehn": 13,
    "vierzehn": 14, "funfzehn": 15, "sechzehn": 16, "siebzehn": 17, "achtzehn": 18, "zwanzig": 20,
    "dreisig": 30, "vierzig": 40,
    "siete": 7, "ocho": 8, "nueve": 9, "diez": 10, "doce": 12, "trece": 13, "catorce": 14,
    "quince": 15, "dieciseis": 16, "diecisiete": 17, "dieciocho": 18, "veinte": 20, "treinta": 30,
    "cuarenta": 40,
    "neuf": 9, "dix": 10, "onze": 11, "douze": 12, "treize": 13, "quatorze": 14, "quinze": 15,
    "seize": 16, "vingt": 20, "trente": 30, "quarante": 40,
}  # fmt: skip
_NUMBERS: Final = {str(age): age for age in range(YOUNGEST, OLDEST + 1)} | _WORDS

# What stands before one's own age, and what may stand between.
_IS: Final = frozenset("im iam am bin werd werde wurde ichbin".split())  # noqa: SIM905 - a list of words
_HAS: Final = frozenset("tengo cumplo cumpli cumplire cumplir jai ai avoir".split())  # noqa: SIM905
_ALSO: Final = frozenset("turning turned".split())  # noqa: SIM905
_BETWEEN: Final = frozenset(
    "only just like actually almost nearly turning turned about already still now currently so be to"  # noqa: SIM905
    " gonna erst schon gerade grad fast bald knapp noch jetzt eigentlich auch a solo casi apenas ya"
    " recien tambien que presque seulement juste bientot deja aussi quasi too also".split()
)
# What is counted in something else than years: "i'm 13 minutes late".
_UNITS: Final = frozenset(
    "min mins minute minutes minuten minutos sec secs second seconds sekunden segundos hour hours"  # noqa: SIM905
    " stunde stunden horas hora heures heure day days tage tag dias dia jours jour week weeks wochen"
    " woche semanas semaines month months monate meses mois euro euros eur dollar dollars bucks"
    " pounds quid cent cents goals goal tore goles buts points point punkte puntos percent prozent"
    " porciento pourcent km kilometer kilometers kilometres meter meters metros metres m2 kg kilo"
    " kilos pages seiten paginas levels level stufen niveles niveaux times mal veces fois episodes"
    " folgen capitulos floors stock people leute personas personnes kids kinder hijos enfants of"
    " in away behind ahead from feet foot ft inches cm th st nd rd uhr pm am h laps runden x amigos"
    " amis friends freunde cats dogs perros gatos chats chiens messages mensajes photos fotos books"
    " libros livres bucher copies seguidores followers abonnes deberes ejercicios games spiele"
    " partidos matchs steps stops stations haltestellen paradas arrets hermanos brothers freres".split()
)
_YEARS: Final = frozenset("years year yrs yr yo jahre jahr j anos ano anitos ans an piges".split())  # noqa: SIM905
_SEX: Final = frozenset(
    "f m w b g girl boy fem male female madchen junge chica chico fille".split()
)  # noqa: SIM905
_AFTER: Final = frozenset(
    "and y et und u you tu toi du wbu hbu why pq porque pourquoi warum lol haha jaja mdr hehe x xd"  # noqa: SIM905
    " too also same auch tambien aussi lol but aber pero mais old alt now jetzt ahora tho though btw".split()
)
_GLUED: Final = re.compile(
    r"(?:(im|bin|tengo|jai|f|m|w|b|g))?(\d{1,2})(yo|yrs?|f|m|w|j|y|ans|anos)?"
)
_CLASS_AT: Final = re.compile(r"(\d{1,2})(?:th|st|nd|rd|er|ere|e|eme|o|a)?")
_FRENCH: Final = {
    "6e": 11, "6eme": 11, "sixieme": 11, "5e": 12, "5eme": 12, "cinquieme": 12, "4e": 13,
    "4eme": 13, "quatrieme": 13, "3e": 14, "3eme": 14, "troisieme": 14, "cm1": 9, "cm2": 10,
}  # fmt: skip
_ORDINALS: Final = {
    "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "primero": 1,
    "segundo": 2, "tercero": 3, "cuarto": 4, "quinto": 5, "sexto": 6, "siebte": 7, "siebten": 7,
    "achte": 8, "achten": 8, "sechste": 6, "sechsten": 6, "funfte": 5, "funften": 5, "neunte": 9,
    "neunten": 9,
}  # fmt: skip
_SELF: Final = frozenset(
    "i im iam ich bin geh gehe gehs voy estoy soy je j jsuis chuis suis moi me".split()  # noqa: SIM905
)
_OTHERS: Final = frozenset(
    "teach teaching taught unterrichte enseno enseigne son daughter sohn tochter hijo hija fils"
    " brother sister bruder schwester hermano hermana frere soeur seur kid".split()  # noqa: SIM905
)
_SAID: Final = {
    ("a", "minor"): 17, ("underage",): 17, ("minderjahrig",): 17, ("menor", "de", "edad"): 17,
    ("menor",): 17, ("mineure",): 17, ("mineur",): 17, ("middle", "school"): 13,
    ("primary", "school"): 9, ("elementary", "school"): 9, ("grundschule",): 9, ("au", "college"): 13,
    ("primaria",): 10,
}  # fmt: skip
_TRIGGERS: Final = frozenset(
    {
        *_NUMBERS, *_FRENCH, *(phrase[-1] for phrase in _SAID), "grade", "klasse", "eso", "menor",
        "year", "primaria", "grundschule",
    }
)  # fmt: skip
_DIGIT: Final = re.compile(r"\d")


def stated(words: Sequence[str], present: set[str], text: str, *, asked: bool) -> int | None:
    """Return the age in years that a message states of its author, or None.

    Args:
        words: Of the folded text.
        present: The same, each once.
        text: The folded text.
        asked: Whether the author was asked for an age just before; then a bare number will do.
    """
    if _TRIGGERS.isdisjoint(present) and not _DIGIT.search(text):
        return None
    words = words[:60]
    for at, word in enumerate(words):
        age = _NUMBERS.get(word)
        if age is not None and _is_own(words, at, asked=asked):
            return age
        if age is None and (age := _glued(words, at, asked=asked)) is not None:
            return age
    return _by_school(words, present, asked=asked)


def _is_own(words: Sequence[str], at: int, *, asked: bool) -> bool:
    after = words[at + 1] if at + 1 < len(words) else ""
    if after in _UNITS and not (after in _SEX and len(words) <= 2):
        return False
    back = at - 1
    while back >= 0 and words[back] in _BETWEEN and words[back] not in _ALSO:
        back -= 1
    before = words[back] if back >= 0 else ""
    if before in _IS | _ALSO:
        return before != "am" or words[back - 1 : back] == ["i"]
    whole = not after or after in _YEARS or after in _AFTER or after in _SEX
    if before in _HAS:
        return whole
    if back >= 0:
        return before in _SEX and at == 1 and len(words) <= 3
    # Nothing but the number and what goes with it.
    if after in _SEX or (after in _YEARS and len(words) <= 4):
        return True
    return asked and whole


def _glued(words: Sequence[str], at: int, *, asked: bool) -> int | None:
    match = _GLUED.fullmatch(words[at])
    if not match or not (match[1] or match[3]):
        return None
    age = _NUMBERS.get(match[2])
    after = words[at + 1] if at + 1 < len(words) else ""
    if age is None or (match[1] in {"im", "bin", "tengo", "jai"} and after in _UNITS):
        return None
    if match[1] in {"im", "bin", "tengo", "jai"}:
        return age
    first = at == 0 or words[at - 1] in _IS or words[at - 1] in _BETWEEN
    return age if first and (len(words) <= 4 or asked or at > 0) else None


def _by_school(words: Sequence[str], present: set[str], *, asked: bool) -> int | None:
    """Return the usual age in a school year that a speaker is in: the younger of the two."""
    if (not asked and _SELF.isdisjoint(present)) or not _OTHERS.isdisjoint(present):
        return None
    for at, word in enumerate(words):
        if word in _FRENCH and (asked or words[at - 1 : at] == ["en"]):
            return _FRENCH[word]
        number = _ORDINALS.get(word)
        if number is None and (match := _CLASS_AT.fullmatch(word)):
            number = int(match[1])
        near = asked or not _SELF.isdisjoint(words[max(0, at - 5) : at])
        if number is not None and number <= 13 and near:
            after = next((one for one in words[at + 1 : at + 4] if one not in {"de", "la"}), "")
            if after == "grade":
                return number + 5
            if after == "klasse":
                return number + 6
            if after == "eso" and number <= 4:
                return number + 11
            if after == "primaria":
                return number + 5
            if words[at - 1 : at] == ["year"] and at > 0 and "in" in present:
                return number + 4
    if not _SELF.isdisjoint(present):
        for phrase, age in _SAID.items():
            if phrase[0] in present and any(
                tuple(words[at : at + len(phrase)]) == phrase
                and not _SELF.isdisjoint(words[max(0, at - 4) : at])
                for at in range(len(words))
            ):
                return age
    return None
