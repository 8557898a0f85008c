"""What all tests share: nothing of the user's home is read or written, and CI skips nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tutela.store import Database
from tutela.store.schema import upgrade

# The test tree is no package (importlib mode): modules that tests share are found here.
sys.path.insert(0, str(Path(__file__).parent))

import databases
import tornet

# Timing decides no test: a busy machine is no fault of what is tested.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home of its own for settings, state and library."""
    home = tmp_path_factory.mktemp("home")
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(home / variable.lower()))
    for variable in [name for name in os.environ if name.startswith("TUTELA_")]:
        monkeypatch.delenv(variable)
    return home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # noqa: ARG001 pluggy's names
    """Under CI a skipped test is a failed one: a missing real part must not pass unseen."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "tutela.db"
    with Database(f"sqlite:///{path}") as fresh:
        upgrade(fresh)
        with fresh.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[databases.Server]:
    """A real PostgreSQL, started once for all tests that ask for it."""
    with databases.server() as running:
        yield running


@pytest.fixture(scope="session")
def tor_network() -> Iterator[tornet.TorNetwork]:
    """A private Tor network in a network namespace, started once for all tests that ask for it."""
    with tornet.network() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def databases_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[databases.Factory]:
    """Makes databases of each kind: contract tests run on both."""
    if request.param == "sqlite":
        made = databases.sqlite_factory(request.getfixturevalue("sqlite_template"), tmp_path)
    else:
        made = databases.postgresql_factory(request.getfixturevalue("postgresql_server"))
    yield made
    made.close()


@pytest.fixture
def database(databases_of: databases.Factory) -> Iterator[Database]:
    """An empty database at the present revision, of each kind in turn."""
    with Database(databases_of.url()) as opened:
        yield opened


@pytest.fixture
def embedded(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database, for tests that need just one."""
    with Database(databases.sqlite_factory(sqlite_template, tmp_path).url()) as opened:
        yield opened
