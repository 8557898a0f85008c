"""A tor of our own: started, watched and ended with the process that needs it.

One for each worker. It listens on unix sockets in a folder that only we can enter, so a worker in a
network namespace without any network still reaches it, and nothing else. It dies with us: it owns
itself to a control connection that the kernel closes, however we end (TAKEOWNERSHIP of tor's
control-spec), and looks for our process besides (__OwningControllerProcess).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from tutela.core.errors import FetchError
from tutela.fetch.way import Tor

_PHASE = re.compile(r"Bootstrapped (\d+)% \(\w+\): (.+)")
_CLOCK = re.compile(
    r"our clock is|skewed time|clock is set|your clock is wrong|clock.{0,20}(behind|ahead)",
    re.IGNORECASE,
)
_SEVERITY = re.compile(r"\[(warn|err)\] (.*)")
_KEPT_LINES = 50
_TERM_S = 0.4
_KILL_S = 0.5


class TorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a tor is started.

    Attributes:
        folder: Where it keeps its guards and the consensus; made if missing, for us alone. Not for
            two at a time.
        command: The words that start it, without its options.
        lines: What its settings hold besides ours: bridges, or a network of tests.
        boot_s: How long it may take until it can build circuits.
    """

    folder: Path
    command: tuple[str, ...] = ("tor",)
    lines: tuple[str, ...] = ()
    boot_s: float = 60.0


class TorProcess:
    """A running tor; a context manager. Not safe for use by several threads.

    Raises:
        FetchError: as `start`.
    """

    def __init__(self, settings: TorSettings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._control: socket.socket | None = None
        self._watcher: threading.Thread | None = None
        self._sockets = Path()
        self._changed = threading.Event()
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self.percent = 0
        self.phase = "not started"
        self.clock_is_wrong = False

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int:
        """The number of its process, 0 where there is none."""
        return self._process.pid if self._process else 0

    def way(self, case: str, *, clear: bool = False, allow_loopback: bool = False) -> Tor:
        """Return the way of a case's requests through it; `clear`: to the clear web as well."""
        return Tor(
            case=case,
            onion=f"unix:{self._sockets / 'onion'}",
            clear=f"unix:{self._sockets / 'clear'}" if clear else "",
            allow_loopback=allow_loopback,
        )

    def start(self) -> None:
        """Start it, and wait until it can build circuits.

        Raises:
            FetchError: `tor_down`: it cannot be started, or ended; `tor_slow`: it did not come so
                far in time; `clock`: likewise, and it says that the clock of this machine is wrong.
        """
        self.percent, self.phase, self.clock_is_wrong = 0, "started", False
        self._said.clear()
        self._settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settings.folder.chmod(0o700)
        # A path of a socket has 107 bytes at most: it does not lie in the folder.
        self._sockets = Path(tempfile.mkdtemp(prefix="tutela-tor-"))
        try:
            self._spawn()
            self._own()
            self._await_circuits()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it, and with it every request through it; takes less than a second."""
        process = self._process
        if process is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_TERM_S)
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_S)
        if self._control is not None:
            self._control.close()
        if self._watcher is not None:
            self._watcher.join(_KILL_S)
        if process is not None and process.stdout is not None:
            process.stdout.close()
        self._process = self._control = self._watcher = None
        if self._sockets != Path():
            shutil.rmtree(self._sockets, ignore_errors=True)
            self._sockets = Path()

    def torrc(self) -> str:
        """Return the settings that it is given."""
        sockets = self._sockets
        return "\n".join(
            (
                f"DataDirectory {self._settings.folder}",
                # Requests with different names share no circuit: the default, said all the same.
                f"SocksPort unix:{sockets}/onion OnionTrafficOnly ExtendedErrors IsolateSOCKSAuth",
                f"SocksPort unix:{sockets}/clear NoOnionTraffic ExtendedErrors IsolateSOCKSAuth",
                f"ControlSocket {sockets}/control",
                f"__OwningControllerProcess {os.getpid()}",
                "ClientOnly 1",
                "SafeLogging 1",
                "AvoidDiskWrites 1",
                "Log notice stdout",
                *self._settings.lines,
                "",
            )
        )

    def _spawn(self) -> None:
        # What a distribution set for its own service is not for ours.
        words = [*self._settings.command, "-f", "-"]
        words += ["--defaults-torrc", str(self._sockets / "none")]
        try:
            process = subprocess.Popen(  # noqa: S603 the operator's own program
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # An interrupt at the terminal is for us, who end it in order.
                start_new_session=True,
            )
        except OSError as error:
            raise FetchError(
                f"tor cannot be started: {error.strerror}",
                code="tor_down",
                hint="install it: apt-get install tor",
            ) from error
        self._process = process
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(self.torrc())
            process.stdin.close()
        self._watcher = threading.Thread(target=self._watch, args=(process,), daemon=True)
        self._watcher.start()

    def _watch(self, process: subprocess.Popen[str]) -> None:
        """Read what it says until it ends; the pipe would fill up otherwise."""
        assert process.stdout is not None
        for line in process.stdout:
            self._hear(line.strip())
        process.wait()
        self._changed.set()

    def _hear(self, line: str) -> None:
        phase = _PHASE.search(line)
        if phase is not None:
            self.percent, self.phase = int(phase[1]), phase[2]
        severity = _SEVERITY.search(line)
        if severity is not None:
            self._said.append(severity[2])
            self.clock_is_wrong |= _CLOCK.search(line) is not None
        if phase is not None:
            self._changed.set()

    def _own(self) -> None:
        """Make it end when the control connection does: we may be killed."""
        until = time.monotonic() + self._settings.boot_s
        control = self._control = socket.socket(socket.AF_UNIX)
        control.settimeout(self._settings.boot_s)
        # The socket is there a moment before anybody listens.
        while control.connect_ex(str(self._sockets / "control")):
            self._check(until)
            self._changed.wait(0.02)
            self._changed.clear()
        try:
            for command in (b"AUTHENTICATE\r\n", b"TAKEOWNERSHIP\r\n"):
                control.sendall(command)
                if not control.recv(100).startswith(b"250"):
                    raise FetchError("tor does not obey", code="tor_down")
        except OSError as error:
            self._check(until)
            raise FetchError(f"tor does not obey: {error}", code="tor_down") from error

    def _await_circuits(self) -> None:
        until = time.monotonic() + self._settings.boot_s
        while self.percent < 100:
            self._check(until)
            self._changed.wait(min(1.0, max(until - time.monotonic(), 0.0)))
            self._changed.clear()

    def _check(self, until: float) -> None:
        """Raise where it ended, or had its time."""
        last = self._said[-1] if self._said else "without a word"
        if not self.is_running:
            raise FetchError(f"tor ended: {last}", code="tor_down")
        if time.monotonic() < until:
            return
        if self.clock_is_wrong:
            raise FetchError(
                "tor says that the clock of this machine is wrong",
                code="clock",
                hint="set the date, the time and the time zone, and start again",
            )
        raise FetchError(
            f"tor came to {self.percent}% ({self.phase}) in {self._settings.boot_s:.0f} s",
            code="tor_slow",
            hint="is the network reachable from here, or are bridges needed?",
        )
