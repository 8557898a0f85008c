"""What WhatsApp itself writes into a text: that a file was left out, or a message deleted.

Of English, German, Spanish and French. Such words are recognised where they are the whole text or
its first line; somebody may have typed them, which no export shows.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

from tutela.chat import fields
from tutela.chat.model import MediaKind, MediaRef

_DELETED: Final = frozenset(
    (
        "this message was deleted",
        "you deleted this message",
        "diese nachricht wurde gelöscht",
        "du hast diese nachricht gelöscht",
        "se eliminó este mensaje",
        "este mensaje fue eliminado",
        "eliminaste este mensaje",
        "ce message a été supprimé",
        "vous avez supprimé ce message",
        "tu as supprimé ce message",
    )
)
# A message that the administrator of a group deleted names that person behind these.
_DELETED_BY: Final = ("this message was deleted by ", "diese nachricht wurde von ")

_LEFT_OUT: Final = {
    "<media omitted>": MediaKind.UNKNOWN,
    "<medien ausgeschlossen>": MediaKind.UNKNOWN,
    "<multimedia omitido>": MediaKind.UNKNOWN,
    "<archivo omitido>": MediaKind.UNKNOWN,
    "<médias omis>": MediaKind.UNKNOWN,
}
_NOUNS: Final = {
    MediaKind.PICTURE: "image bild imagen sticker gif photo foto autocollant",
    MediaKind.VIDEO: "video vídeo vidéo",
    MediaKind.AUDIO: "audio",
    MediaKind.FILE: "document dokument documento",
}
_VERBS: Final = "omitted weggelassen omitida omitido absente absent omis omise"
_LEFT_OUT.update(
    (f"{noun} {verb}", kind)
    for kind, nouns in _NOUNS.items()
    for noun in nouns.split()
    for verb in _VERBS.split()
)

_LINE_CHARS: Final = 300
_IOS: Final = re.compile(
    r"<(?:attached|Anhang|adjunto|pièce jointe)\s?:\s?([^<>/\\]{1,255})>", re.IGNORECASE
)
_ANDROID: Final = re.compile(
    r"([^<>/\\\n]{1,255}\.\w{1,5}) \((?:file attached|Datei angehängt|archivo adjunto"
    r"|fichier joint)\)"
)


# What WhatsApp says of a group, with a name or a description that may hold a colon. By a verb and
# what it was done to, for the words between and behind differ from version to version.
_DONE: Final = (
    (
        "created changed",
        "group the-group this-group the-subject the-group-subject the-group-name the-description",
    ),
    ("changed", "the-group-description the-group's-description"),
    (
        "hat hast",
        "die-gruppe diese-gruppe den-betreff den-gruppennamen das-thema die-gruppenbeschreibung",
    ),
    (
        "creó creaste cambió cambiaste ha-creado ha-cambiado has-creado has-cambiado",
        "el-grupo este-grupo el-asunto el-nombre-del-grupo la-descripción",
    ),
    (
        "créé changé modifié",
        "le-groupe ce-groupe le-sujet l'objet le-nom-du-groupe la-description",
    ),
)
_NOBODY: Final = (" creaste ", " cambiaste ", " has ")  # such a verb says by itself who did it
_OF_GROUP: Final = tuple(
    f" {verb} {what} ".replace("-", " ")
    for verbs, things in _DONE
    for verb in verbs.split()
    for what in things.split()
)


class Said(NamedTuple):
    """What a text says that WhatsApp wrote; `text` is what is left of it."""

    text: str
    deleted: bool
    media: tuple[MediaRef, ...]


@lru_cache(4_096)  # the same few speak again and again
def of_group(name: str) -> bool:
    """Tell whether what stands before a colon is what WhatsApp says of a group, and no name."""
    words = unicodedata.normalize("NFC", name).replace("\u2019", "'").lower().split()
    line = f" {' '.join(words)} "
    return any(
        line.find(phrase) > 0 or (line.startswith(phrase) and phrase.startswith(_NOBODY))
        for phrase in _OF_GROUP
    )


def read(text: str) -> Said | None:
    """Return what a text without marks says of itself; None for an ordinary one."""
    line, _, rest = text.partition("\n")
    if len(line) > _LINE_CHARS:
        return None
    word = line.strip().rstrip(".").lower()
    if not rest and word in _DELETED:
        return Said("", deleted=True, media=())
    if not rest and word.startswith(_DELETED_BY):
        return Said(text, deleted=True, media=())  # somebody may have typed it: it stays
    kind = _LEFT_OUT.get(word)
    if kind is not None:
        return Said(rest, deleted=False, media=(MediaRef(kind=kind),))
    found = _ANDROID.fullmatch(line) or _IOS.search(line)
    if found is None:
        return None
    name = found[1].strip()
    media = MediaRef(name=name, kind=fields.kind_of("", name))
    caption = line[: found.start()] + line[found.end() :]
    # iOS writes the name of a document before the document.
    caption = "" if name.endswith(caption.strip().partition(" • ")[0] or "\0") else caption.strip()
    return Said("\n".join(part for part in (caption, rest) if part), deleted=False, media=(media,))
