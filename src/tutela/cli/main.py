"""The front door: `tutela`. Commands are named here and imported only when they run."""

from __future__ import annotations

import ast
import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path

from cyclopts import App, CycloptsError, Parameter

from tutela.core.errors import TutelaError

INTERRUPTED = 130
SERVICE = 3

# Before numpy is loaded anywhere: our parallelism is processes, not threads of a linear algebra
# library that each of them would start.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _documented(name: str) -> str:
    """Return a command's docstring without importing its module, which may take a second."""
    place = Path(__file__).with_name(name)
    file = place / "command.py" if place.is_dir() else place.with_suffix(".py")
    tree = ast.parse(file.read_bytes())
    found = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)
    return (ast.get_docstring(found) or "").partition("\nArgs:")[0]


app = App(
    name="tutela",
    help="Find known child sexual abuse material by fingerprint, and grade what is new with the "
    "fewest views.",
    version=lambda: version("tutela"),
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
app.command("tutela.cli.scan:scan", name="scan", help=_documented("scan"))
app.command("tutela.cli.init:init", name="init", help=_documented("init"))
app.command("tutela.cli.serve:serve", name="serve", help=_documented("serve"))
app.command(
    "tutela.cli.case:app", name="case", help="Make cases, add evidence, export what was graded."
)
app.command("tutela.cli.list:app", name="list", help="Import, export and publish hash lists.")
app.command(
    "tutela.cli.node:app", name="node", help="Trust and ask partner nodes of other nations."
)
app.command("tutela.cli.crawl:app", name="crawl", help="Crawl sites under an order of two persons.")
app.command(
    "tutela.cli.leads:app", name="leads", help="Rank accounts of sites, release and export leads."
)
app.command(
    "tutela.cli.chat:app",
    name="chat",
    help="Order conversations by signs of risk, with the lines that say why.",
)
app.command("tutela.cli.account:app", name="account", help="Invite people, and let programs in.")
app.command("tutela.cli.audit:app", name="audit", help="Verify, sign, prove and export the log.")
app.command("tutela.cli.vault:app", name="vault", help="Check the kept media, change their key.")
app.command("tutela.cli.db:app", name="db", help="Upgrade, check, back up, restore the database.")
app.command("tutela.cli.demo.command:demo", name="demo", help=_documented("demo"))
app.command("tutela.cli.doctor:doctor", name="doctor", help=_documented("doctor"))


def main() -> None:
    """Run a command line and exit with its status (docs/reference/exit-status.md)."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; print what went wrong, if anything did; return the exit status."""
    debug = bool(os.environ.get("TUTELA_DEBUG"))
    if "--debug" in arguments:
        arguments = [word for word in arguments if word != "--debug"]
        debug = True
    try:
        # A file name must not be able to stop the output, whatever the terminal can show.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a TextIO
        status = app(
            arguments, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        return _complain(str(error), hint="tutela --help lists commands and options", status=2)
    except KeyboardInterrupt as error:
        return _complain("; ".join(["interrupted", *error.args]), status=INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`). Nobody listens, but the work is not done.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _complain("the output was closed before the end", status=INTERRUPTED)
    except TutelaError as error:
        if debug:
            traceback.print_exc()
        cause = "" if isinstance(error.__cause__, OSError) else str(error.__cause__ or "")
        return _complain(error.message, cause=cause, hint=error.hint, status=error.exit_status)
    except OSError as error:
        if debug:
            traceback.print_exc()
        return _complain(f"the system refuses: {error.strerror or error}", status=SERVICE)
    return status if isinstance(status, int) else 0


def _complain(sentence: str, *, cause: str = "", hint: str = "", status: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    if cause and cause not in sentence:
        print(f"cause: {cause}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return status
