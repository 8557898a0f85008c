"""What a person should know of a list that has just been imported."""

from __future__ import annotations

from tutela.core.entry import Role
from tutela.hashlist.model import ListInfo


def notes(info: ListInfo) -> list[str]:
    """Return sentences about what an import left out, could not grade or cannot match."""
    found = []
    if info.quarantined:
        found.append(
            f"{info.quarantined} of {info.rows} rows are in quarantine; each has its reason in "
            "quarantine.jsonl"
        )
    found += [f"{count} {what}" for what, count in info.remarks.items()]
    if info.role is Role.ALERT and info.unclassified:
        found.append(
            f"{info.unclassified} alert entries carry no classification and stand as unclassified; "
            "--scheme and --code would grade them"
        )
    codes = {count.code for count in info.classifications}
    if info.role is Role.ALERT and info.format == "vics" and len(codes) > 1 and not info.role_of:
        found.append(
            f"the categories {', '.join(sorted(codes))} are all alert; where one of them is "
            "non-pertinent, say so with --role-of CODE=ignorable"
        )
    return found
