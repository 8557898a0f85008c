"""Writes the next step of the database's migrations from what the tables have become.

`tools/make_migration.py "say what changes"` writes one step. `--initial` throws all steps away and
writes the first ones anew, one for each domain: only until the first release.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Table as CoreTable

from tutela.store import Database, schema
from tutela.store.columns import Table


def main() -> None:
    """Write the step, or the first ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("message", nargs="?", default="")
    parser.add_argument("--initial", action="store_true")
    asked = parser.parse_args()
    if bool(asked.message) == asked.initial:
        parser.error("say what changes, or --initial")
    old = {} if asked.initial else {file.name: file.read_text() for file in files(schema.STEPS)}
    # Written aside and then put in their place: tests that run meanwhile never see half of them.
    with tempfile.TemporaryDirectory(prefix="steps", dir=schema.STEPS.parents[1]) as folder:
        steps = Path(folder)
        for name, text in old.items():
            (steps / name).write_text(text)
        with Database(f"sqlite:///{folder}/empty.db") as empty:
            for message, tables in parts() if asked.initial else [(asked.message, None)]:
                write(empty, steps, message, tables)
        for how in (["check", "-q", "--fix-only"], ["format", "-q"]):
            subprocess.run([sys.executable, "-m", "ruff", *how, steps], check=True)
        made = {file.name for file in files(steps)}
        for file in files(steps):
            file.replace(schema.STEPS / file.name)
    for file in files(schema.STEPS):
        if file.name not in made:
            file.unlink()


def files(steps: Path) -> list[Path]:
    """Return the steps of a folder in their order."""
    return sorted(steps.glob("[0-9]*.py"))


def parts() -> list[tuple[str, set[str]]]:
    """Return the tables by domain; one that points at a later domain goes there."""
    made: list[tuple[str, set[str]]] = []
    there: set[str] = set()
    waiting: set[str] = set()
    for module in schema.DOMAINS:
        waiting |= {one.__tablename__ for one in vars(module).values() if is_table(one, module)}
        part = set()
        for table in Table.metadata.sorted_tables:
            if table.name in waiting and points_at(table) <= there | {table.name}:
                part.add(table.name)
                there.add(table.name)
        waiting -= part
        made.append((f"Tables of {module.__name__.rpartition('.')[2]}", part))
    assert not waiting, waiting
    return made


def is_table(one: object, module: object) -> bool:
    """Tell whether this is a table that the module defines."""
    return isinstance(one, type) and issubclass(one, Table) and one.__module__ == module.__name__


def points_at(table: CoreTable) -> set[str]:
    """Return the tables that its foreign keys point at."""
    return {key.column.table.name for key in table.foreign_keys}


def write(database: Database, steps: Path, message: str, tables: set[str] | None) -> None:
    """Bring the database to the last step and write the next."""
    done = len(files(steps))

    def step(config: Config) -> None:
        config.attributes["tables"] = tables
        command.revision(config, message, autogenerate=True, rev_id=f"{done + 1:04}")

    with database.write() as tx:
        if done:
            schema.move(tx, lambda config: command.upgrade(config, "head"), steps)
        schema.move(tx, step, steps)


if __name__ == "__main__":
    main()
