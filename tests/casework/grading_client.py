"""A grader in a process of its own that says which grades are saved, until it is killed."""

from __future__ import annotations

import sys

import msgspec

from tutela.casework import grade
from tutela.casework.grade import Decision
from tutela.core.principal import Principal
from tutela.store import Database


def main(url: str, who: str, case_id: str, media_ids: str) -> None:
    principal = msgspec.json.decode(who, type=Principal)
    with Database(url) as database:
        for media_id in msgspec.json.decode(media_ids, type=list[int]):
            with database.write() as tx:
                grade.give(tx, principal, int(case_id), [Decision(media_id, "A")])
            sys.stdout.write(f"{media_id}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
