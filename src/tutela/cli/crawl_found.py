"""`tutela crawl notices`, `compare`, `unknown` and `expire`: what became of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import Parameter

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.cli import output
from tutela.cli.open import opened
from tutela.core.errors import UsageError
from tutela.core.time import iso, now
from tutela.evidence.vault import Vault, master_key
from tutela.hashlist.library import Library
from tutela.observation import comparing, retention, unknown
from tutela.observation import notices as drafts
from tutela.observation.notices import Drafted, Policy
from tutela.observation.unknown import Group

_NOTICE = ["v", "type", "notice", "kind", "state", "net", "host", "url", "media", "exact"]
_NOTICE += ["made_at", "reference"]
_UNKNOWN = ["v", "type", "sha256", "pdq", "contents", "sites", "places", "first_seen_at"]


def notices(
    case: str,
    *,
    state: Literal["open", "passed", "dismissed"] = "open",
    passed: int | None = None,
    dismissed: int | None = None,
    words: str = "",
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show pages with known media that a hotline or the police has to hear of, or close a notice.

    Nothing is sent: pass them on by the receiver's own way. Showing open ones is logged.

    Examples:
        tutela crawl notices 2026/17 --format jsonl
        tutela crawl notices 2026/17 --passed 4 --words "hotline report 1788"

    Args:
        case: The number of the case.
        state: Which to show.
        passed: Close this one: it was passed on; --words is what the receiver calls it.
        dismissed: Close this one without passing it on; --words says why.
        words: See there.
        format_: text for a person, or one row for each notice as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    if passed is not None and dismissed is not None:
        raise UsageError("a notice is passed on or dismissed, not both")
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        case_id = cases.by_number(tx, office.who, case).id
        closing = passed if passed is not None else dismissed
        if closing is not None:
            drafts.decide(tx, office.who, closing, passed=passed is not None, words=words)
            print(f"notice {closing}: {'passed on' if passed is not None else 'dismissed'}")
            return 0
        if state == drafts.OPEN:
            found = drafts.export(tx, office.who, case_id)
        else:
            found = drafts.listed(tx, office.who, case_id, state)
    write = output.writer(format_, _notice_line, _NOTICE)
    for one in found:
        write(_notice(one))
    if not found and format_ == "text":
        print(f"no notices are {state}")
    return 0


def compare(case: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Hold what was seen for a case against the hash lists as they are now.

    Media are long gone then: their digests and fingerprints are asked, and every place where a
    media stood that a list has learnt of is raised. Run it after lists were synced.

    Args:
        case: The number of the case.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        with office.database.read() as tx:
            case_id = cases.by_number(tx, office.who, case).id
            require(tx, office.who, Permission.CRAWL, case_id)
        chosen = office.settings.crawl
        policy = Policy(
            clear=chosen.notice_clear,
            onion=chosen.notice_onion,
            indicative=chosen.notice_indicative,
        )
        done = comparing.compare(
            office.database,
            office.who,
            case_id,
            Library.open(office.settings.library.path),
            policy,
            now(),
            chosen.radius_bits,
        )
    print(f"{done.media} media compared, {done.raised} places raised")
    return 0


def unknown_(
    case: str,
    *,
    sites: int = 2,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show media that no list has and that stand on several sites: fingerprints and places.

    Mirrors of one site count once. Nothing is fetched to be looked at.

    Args:
        case: The number of the case.
        sites: On so many sites at least.
        format_: text for a person, or one row for each media as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        case_id = cases.by_number(tx, office.who, case).id
        found = unknown.on_several(tx, office.who, case_id, sites)
    write = output.writer(format_, _unknown_line, _UNKNOWN)
    for one in found:
        write(_unknown(one))
    if not found and format_ == "text":
        print(f"no unknown media stand on {sites} sites")
    return 0


def expire(*, break_glass: str = "", config: Path | None = None) -> int:
    """Destroy the words of posts and conversations whose time is over. Run it daily.

    Args:
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        chosen = office.settings.vault
        with Vault(chosen.path, master_key(chosen)) as vault:
            done = retention.expire(office.database, office.who, vault, now())
    print(
        f"{done.weeks} weeks expired, words of {done.posts} posts and {done.messages} messages "
        "destroyed"
    )
    if done.held:
        print(f"{done.held} weeks wait for the end of a legal hold")
    return 0


def _notice(one: Drafted) -> dict[str, object]:
    row = msgspec.structs.asdict(one)
    row = {"notice": row.pop("id"), **row, "made_at": iso(one.made_at)}
    return {"v": 1, "type": "notice", **row}


def _notice_line(row: Mapping[str, Any]) -> str:
    ended = f", {row['reference']}" if row["reference"] else ""
    return (
        f"{row['notice']:>5}  {row['kind']:<8} {row['media']} known media, {row['exact']} exactly"
        f"{ended}\n       {row['url']}"
    )


def _unknown(one: Group) -> dict[str, object]:
    return {
        "v": 1,
        "type": "unknown_media",
        "sha256": one.sha256.hex(),
        "pdq": one.pdq.hex() if one.pdq else None,
        "contents": one.contents,
        "sites": list(one.sites),
        "places": one.places,
        "first_seen_at": iso(one.first_seen_at),
    }


def _unknown_line(row: Mapping[str, Any]) -> str:
    hosts = ", ".join(row["sites"])
    return (
        f"{row['sha256'][:16]}…  {row['contents']} contents at {row['places']} places\n"
        f"       {hosts}"
    )
