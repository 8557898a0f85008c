"""Bring src/tutela/web/languages/*.po in step with what pages say; with --check, only compare.

What pages say: texts of templates and pages; words of the grading schemes and facets; errors and
hints that the rooms below raise. What those fill in is named `given_...` in the catalogs.
New texts come in untranslated: fill in `msgstr` and run it again.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

TUTELA = Path(__file__).resolve().parent.parent / "src" / "tutela"
WEB = TUTELA / "web"
SCHEMES = TUTELA / "casework" / "schemes"
METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract")]
OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true"}}
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}

# Rooms, and modules of others, whose errors people meet in the browser; and what they raise.
ROOMS = ("access", "actors", "casework", "web")
MODULES = (
    *("exchange/entries.py", "exchange/feedback.py", "exchange/lists.py"),
    *("observation/conversation_decide.py", "observation/conversation_find.py"),
    *("observation/conversation_report.py", "observation/conversation_show.py"),
    *("observation/find.py", "observation/find_sites.py"),
    *("observation/mirrors.py", "observation/sealing.py", "observation/show.py"),
)
ERRORS = frozenset(
    {"AccessError", "ConflictError", "InputError", "IntegrityError", "ServiceError", "UsageError"}
)
# What of a scheme's or facet's file is shown; codes such as A1 and GB are the same everywhere.
SHOWN = ("title", "source", "jurisdiction", "label", "meaning")
CODE = re.compile(r"[A-Z]+\d*")


def said() -> Catalog:
    """Return every text that a page may say."""
    catalog = Catalog(fuzzy=False)
    for name, _line, message, _comments, _context in sorted(
        extract_from_dir(WEB, METHODS, OPTIONS, KEYWORDS), key=lambda found: (found[0], found[1])
    ):
        catalog.add(message, locations=[(name, 0)])
    for text in [*_errors(), *_schemes()]:
        if text not in catalog:
            catalog.add(text)
    return catalog


def _errors() -> Iterator[str]:
    """Yield the sentences and hints of errors."""
    paths = [path for room in ROOMS for path in sorted((TUTELA / room).rglob("*.py"))]
    for path in [*paths, *(TUTELA / name for name in MODULES)]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id in ERRORS:
                hints = [one.value for one in node.keywords if one.arg == "hint"]
                for text in node.args[:1] + hints:
                    yield from _sentences(text)


def _sentences(node: ast.expr) -> Iterator[str]:
    """Yield what an expression says; the values in it under names, in place of themselves."""
    if isinstance(node, ast.IfExp):
        yield from (*_sentences(node.body), *_sentences(node.orelse))
    elif isinstance(node, ast.Constant) and node.value:
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        names: list[str] = []
        parts = []
        for part in node.values:
            if isinstance(part, ast.Constant):
                parts.append(str(part.value).replace("%", "%%"))
            elif isinstance(part, ast.FormattedValue):
                name = f"given_{_name(part.value)}"
                names.append(name)
                again = names.count(name)
                parts.append(f"%({name}{again if again > 1 else ''})s")
        if any(re.search(r"\w{2}", part) for part in parts if not part.startswith("%(")):
            yield "".join(parts)


def _name(node: ast.expr) -> str:
    """Return what to call a value: its own name, or that of what it is taken from."""
    if isinstance(node, ast.Name):
        return node.id.lower()
    if isinstance(node, ast.Attribute):
        return node.attr
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            return inner.id.lower()
    return "value"


def _schemes() -> Iterator[str]:
    """Yield titles, labels and meanings of schemes, their codes, facets and choices."""
    for path in sorted(SCHEMES.glob("*.toml")):
        if path.stem == "derivations":
            continue
        yield from _words(tomllib.loads(path.read_text("utf-8")))


def _words(table: dict[str, object]) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, list):
            for one in value:
                yield from _words(one)
        elif name in SHOWN and isinstance(value, str) and not CODE.fullmatch(value):
            yield value


def files() -> Iterator[Path]:
    """Yield the catalog of each language but English."""
    yield from sorted((WEB / "languages").glob("*.po"))


def merged(path: Path) -> bytes:
    """Return a catalog with what is said now: translations are kept, the rest is dropped."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.stem)
    catalog.update(said(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    written = io.BytesIO()
    write_po(written, catalog, width=100, omit_header=True, no_location=True, sort_output=True)
    return written.getvalue()


def missing(path: Path) -> list[str]:
    """Return the texts of a catalog that have no translation, or one with other placeholders."""
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=path.stem)
    found = []
    for message in catalog:
        given = message.id if isinstance(message.id, tuple) else (message.id,)
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        wanted = placeholders(given[-1])
        if given[0] and not all(form and placeholders(form) == wanted for form in forms):
            found.append(given[0])
    return found


def placeholders(text: str) -> list[str]:
    """Return what is filled into a text, in alphabetical order; a doubled per cent sign is none."""
    return sorted(re.findall(r"%\(\w+\)s|%%", text)) if "%(" in text else []


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
            print(f"{path.name}: not translated, or with other placeholders: {text}")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
