"""`tutela leads`: rank accounts of a case, say why, release and export leads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from sqlalchemy import Connection

from tutela.access import seal
from tutela.actors import export as exporting
from tutela.actors import ranking, release, versus
from tutela.actors.ranking import Desk
from tutela.casework import case as cases
from tutela.cli import leads_rows as rows
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.evidence.vault import Vault, master_key
from tutela.observation import find
from tutela.observation.sealing import Words

app = App(
    name="leads",
    help="Rank accounts of sites, say why, link and mark them, release and export leads.",
    default_parameter=Parameter(negative=()),
)
for _verb, _help in (
    ("link", "Show what links accounts, or say that two are one's, or are not."),
    ("mark", "Say something of an account, undo it, or show what was said."),
    ("deconflict", "Add identifiers that no lead may carry, so that nobody can read them."),
):
    app.command(f"tutela.cli.leads_marks:{_verb}", name=_verb, help=_help)
_FORMAT = Parameter(name="--format")


@app.command
def rank(
    case: str,
    *,
    limit: int = 30,
    format_: Annotated[output.Format, _FORMAT] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Rank the accounts of a case anew, and show who stands first.

    It orders work and concludes nothing. Accounts that must be left out are counted and not named.

    Examples:
        tutela leads rank OP-17

    Args:
        case: The number of the case.
        limit: How many accounts are shown; all are kept.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        number = _case(office, case)
        with _desk(office) as by:
            made = ranking.rank(office.database, office.who, number, by)
        _show(office, number, made, limit, format_)
    return 0


@app.command(name="list")
def list_(
    case: str,
    *,
    limit: int = 30,
    format_: Annotated[output.Format, _FORMAT] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show the newest ranking of a case, and its leads with their states.

    Args:
        case: The number of the case.
        limit: How many ranked accounts are shown.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        number = _case(office, case)
        with office.database.read() as tx:
            newest = ranking.latest(tx, office.who, number)
        if newest is None:
            print(f"the accounts of {case} were not ranked yet: tutela leads rank {case}")
            return 0
        _show(office, number, newest, limit, format_)
    return 0


@app.command
def explain(
    case: str,
    account: int,
    *,
    against: int = 0,
    format_: Annotated[output.Format, _FORMAT] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Say what the score of an account is made of, row by row, and what speaks against it.

    Examples:
        tutela leads explain OP-17 5 --against 6

    Args:
        case: The number of the case.
        account: The number of the account, as the ranking shows it.
        against: Another account: say why the first stands above it, or below.
        format_: text for a person, or rows as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, rows.line, rows.COLUMNS)
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        number = cases.by_number(tx, office.who, case).id
        accounts = find.accounts(tx, office.who, number, [one for one in (account, against) if one])
        one = ranking.of_account(tx, office.who, number, account)
        if one is None:
            raise UsageError("the newest ranking has no place for this account", code="not_ranked")
        if not against:
            for row in rows.explanation(one, accounts.get(account)):
                write(row)
            return 0
        other = ranking.of_account(tx, office.who, number, against)
        if other is None:
            raise UsageError("the newest ranking has no place for the other", code="not_ranked")
        write(rows.ranked(one, accounts.get(account)))
        write(rows.ranked(other, accounts.get(against)))
        for row in rows.comparison(versus.versus(one, other)):
            write(row)
    return 0


@app.command(name="release")
def release_(
    case: str,
    account: int,
    *,
    reason: str = "",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Ask that a lead about an account be released; run again without a reason to release it.

    Another person grants it in the browser, under Approvals. It is over after 90 days.

    Examples:
        tutela leads release OP-17 5 --reason "for the unit in the north"

    Args:
        case: The number of the case.
        account: The number of the account.
        reason: For whom and why, for the other person to read.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, _desk(office) as by:
        number = _case(office, case)
        with office.database.write() as tx:
            lead = release.open_lead(tx, office.who, number, account)
            if lead is None or lead.state in {release.WITHDRAWN, release.EXPIRED}:
                lead_id = release.propose(tx, office.who, number, account, by)
            else:
                lead_id = lead.id
        if reason:
            asked = release.ask(office.database, office.who, number, lead_id, by, reason)
            print(f"lead {lead_id}: asked for, approval {asked}; another person grants it")
            return 0
        done = release.release(office.database, office.who, number, lead_id, by)
    assert done.expires_at is not None
    print(f"lead {lead_id}: released until {done.expires_at:%Y-%m-%d}, event {done.released_seq}")
    return 0


@app.command
def withdraw(
    case: str,
    account: int,
    *,
    reason: str = "",
    undo: bool = False,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Take the lead about an account back, or propose it again; then it needs two persons again.

    Args:
        case: The number of the case.
        account: The number of the account.
        reason: Why; kept beside the log.
        undo: Propose again what was taken back.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        number = _case(office, case)
        with office.database.write() as tx:
            lead = _lead(tx, office, number, account)
            if undo:
                release.restore(tx, office.who, number, lead.id)
            else:
                release.withdraw(tx, office.who, number, lead.id, reason)
    print(f"lead {lead.id}: {'proposed again' if undo else 'taken back'}")
    return 0


@app.command
def export(
    case: str,
    account: int,
    out: Path,
    *,
    format_: Annotated[Literal["jsonl", "html", "pdf"], _FORMAT] = "html",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Write the released lead about an account to a file: rows of evidence, no media, no words.

    Examples:
        tutela leads export OP-17 5 lead.pdf --format pdf

    Args:
        case: The number of the case.
        account: The number of the account.
        out: The file.
        format_: jsonl for programs, html or pdf for people.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, _desk(office) as by:
        number = _case(office, case)
        with office.database.read() as tx:
            lead = _lead(tx, office, number, account)
        made = exporting.write(office.database, office.who, number, lead.id, format_, out, by=by)
    print(f"{out}: {made.rows} rows, SHA-256 {made.sha256}")
    return 0


def _show(
    office: Office, case_id: CaseId, info: ranking.RankingInfo, limit: int, format_: output.Format
) -> None:
    write = output.writer(format_, rows.line, rows.COLUMNS)
    with office.database.read() as tx:
        found = ranking.ranked(tx, office.who, case_id, info.id, limit)
        leads = release.listed(tx, office.who, case_id)
        accounts = find.accounts(tx, office.who, case_id, [one.account_id for one in found])
    write(rows.ranking(info))
    for one in found:
        write(rows.ranked(one, accounts.get(one.account_id)))
    for lead in leads:
        write(rows.lead(lead))


def _case(office: Office, case: str) -> CaseId:
    with office.database.read() as tx:
        return cases.by_number(tx, office.who, case).id


def _lead(tx: Connection, office: Office, case_id: CaseId, account: int) -> release.LeadInfo:
    found = release.open_lead(tx, office.who, case_id, account)
    if found is None:
        raise UsageError("there is no lead about this account", code="not_found")
    return found


@contextlib.contextmanager
def _desk(office: Office) -> Iterator[Desk]:
    """Give by what leads are worked on, with the vault open for the words of posts."""
    sealer, chosen = seal.load(seal.place(office.settings.audit)), office.settings.vault
    with Vault(chosen.path, master_key(chosen)) as vault:
        yield ranking.desk(office.settings.leads, sealer, Words(vault).opened)
