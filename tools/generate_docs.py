"""Write the pages of docs/reference that are made from code; with --check, only compare.

docs/reference/cli.md comes from the commands' help, docs/reference/settings.md from the settings.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tutela.audit import actions
from tutela.core import settings

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
COMMANDS = (
    (),
    ("init",),
    ("serve",),
    ("scan",),
    ("case",),
    *(("case", verb) for verb in ("new", "list", "add", "import", "status", "team", "export")),
    ("list",),
    ("list", "import"),
    ("list", "export"),
    ("list", "info"),
    ("list", "remove"),
    *(("list", verb) for verb in ("publish", "subscribe", "unsubscribe", "sync", "keys")),
    *(("list", "keys", verb) for verb in ("init", "make", "identity", "sign", "accept")),
    *(("list", "keys", verb) for verb in ("rotate", "renew", "show", "root")),
    *(("list", verb) for verb in ("create", "add", "members", "withdraw", "diff", "feedback")),
    *(("list", verb) for verb in ("proposals", "published", "close", "quarantine")),
    ("leads",),
    *(("leads", verb) for verb in ("rank", "list", "explain", "link", "mark", "release")),
    *(("leads", verb) for verb in ("withdraw", "export", "deconflict")),
    ("account",),
    *(("account", verb) for verb in ("list", "invite", "roles", "close", "token")),
    ("audit",),
    *(("audit", verb) for verb in ("verify", "checkpoint", "proof", "check", "consistency")),
    *(("audit", verb) for verb in ("key", "witness-key", "witness", "export", "erase")),
    ("vault",),
    *(("vault", verb) for verb in ("check", "rotate", "key")),
    ("db",),
    *(("db", verb) for verb in ("upgrade", "check", "backup", "restore")),
    ("demo",),
    ("doctor",),
)
NOTICE = "<!-- Made by `make docs` from the code; changes here are lost. -->\n\n"


def cli_page() -> str:
    """Return the command line reference: each command's own help."""
    parts = [NOTICE, "# The command line\n\nExit status: see [exit-status.md](exit-status.md).\n"]
    with ThreadPoolExecutor(max_workers=4) as pool:
        for words, text in zip(COMMANDS, pool.map(_help, COMMANDS), strict=True):
            command = " ".join(("tutela", *words))
            parts.append(f"\n## {command}\n\n```text\n$ {command} --help\n{text}\n```\n")
    return "".join(parts)


def _help(words: tuple[str, ...]) -> str:
    asked = subprocess.run(
        [Path(sys.executable).with_name("tutela"), *words, "--help"],
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    return "\n".join(line.rstrip() for line in asked.stdout.strip().splitlines())


def settings_page() -> str:
    """Return the settings reference: every key with its default, meaning and variable."""
    lines = [
        NOTICE,
        "# Settings\n",
        "\nRead from `$XDG_CONFIG_HOME/tutela/tutela.toml` (or the file given with `--config`),",
        "\nthen from variables, then from flags; the last word counts. An unknown key is",
        "\nan error.\n",
    ]
    section = ""
    for name, key, default, meaning in settings.describe():
        if name != section:
            section = name
            lines.append(f"\n## [{name}]\n\n| key | default | variable | meaning |\n")
            lines.append("| --- | --- | --- | --- |\n")
        variable = f"{settings.PREFIX}{name}_{key}".upper()
        lines.append(f"| `{key}` | `{default}` | `{variable}` | {meaning} |\n")
    return "".join(lines)


def main(arguments: list[str]) -> int:
    """Write or check the pages."""
    for variable in [name for name in os.environ if name.startswith(("XDG_", "TUTELA_"))]:
        del os.environ[variable]  # the pages show defaults, not this machine's
    stale = []
    pages = {
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "audit-events.md": actions.page(),
    }
    for name, text in pages.items():
        page = REFERENCE / name
        if "--check" not in arguments:
            page.write_text(text)
        elif not page.exists() or page.read_text() != text:
            stale.append(name)
    for name in stale:
        print(f"error: docs/reference/{name} is not what the code says", file=sys.stderr)
        print("hint: make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
