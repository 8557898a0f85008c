"""Bring src/tutela/web/languages/*.po in step with what pages say; with --check, only compare.

New texts come in untranslated: fill in `msgstr` and run it again.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

WEB = Path(__file__).resolve().parent.parent / "src" / "tutela" / "web"
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}


def said() -> Catalog:
    """Return every text that a page may say."""
    catalog = Catalog(fuzzy=False)
    for name, _line, message, _comments, _context in sorted(
        extract_from_dir(WEB, METHODS, OPTIONS, KEYWORDS), key=lambda found: (found[0], found[1])
    ):
        catalog.add(message, locations=[(name, 0)])
    return catalog


def files() -> Iterator[Path]:
    """Yield the catalog of each language but English."""
    yield from sorted((WEB / "languages").glob("*.po"))


def merged(path: Path) -> bytes:
    """Return a language's catalog with what is said now: translations are kept, the rest dropped."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.stem)
    catalog.update(said(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(written, catalog, width=100, omit_header=True, no_location=True, sort_output=True)
    return written.getvalue()


def missing(path: Path) -> list[str]:
    """Return the texts of a catalog that have no translation."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.stem)
    return [str(message.id) for message in catalog if message.id and not message.string]


def main() -> int:
    """Write or check all catalogs; 0 if everything is translated."""
    wrong = 0
    for path in files():
        wanted = merged(path)
        if "--check" not in sys.argv:
            path.write_bytes(wanted)
        elif path.read_bytes() != wanted:
            print(f"{path.name} is not what pages say: run tools/translations.py")
            wrong = 1
        for text in missing(path):
            print(f"{path.name}: not translated: {text}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
