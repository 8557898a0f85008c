"""The client side of the TUF repository: whoever serves it may lie, and can only be caught.

Metadata goes through python-tuf's client, which keeps what it last saw: a publication that goes
back, stands still past its time, mixes states, or is signed by others is refused. Files are fetched
by ourselves, so that what was interrupted goes on where it stopped.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from tutela.core.errors import FetchError, IntegrityError, ServiceError, TutelaError
from tutela.core.time import now
from tutela.exchange.publication import METADATA, TARGETS, role_names
from tutela.fetch.http import Bounds, Fetcher
from tutela.hashlist.store import make_durable

PART = ".part"
_METADATA_LIMIT = 8 << 20
_METADATA_S = 120.0
_ROLE = re.compile(r"[0-9a-f]{32}")
_LISTS_LIMIT = 1024
_REASONS: dict[type[RepositoryError], tuple[str, str, str]] = {
    ExpiredMetadataError: (
        "expired",
        "the publication was not renewed in time: the mirror stands still, or a clock is wrong",
        "compare the clock of this machine ({clock}); then ask the publisher",
    ),
    BadVersionNumberError: (
        "roll_back",
        "the mirror offers an older state of the publication than it did before",
        "ask the publisher; nothing was taken from it",
    ),
    UnsignedMetadataError: (
        "signature",
        "metadata of the publication is not signed by those who may",
        "ask the publisher; nothing was taken from it",
    ),
    LengthOrHashMismatchError: (
        "altered",
        "a file of the publication is not what its metadata says",
        "it may be of another state; the next sync tries again",
    ),
}


class _TufFetcher(FetcherInterface):
    """Lets python-tuf fetch through our bounds."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def _fetch(self, url: str) -> Iterator[bytes]:
        bounds = Bounds(_METADATA_LIMIT, _METADATA_S)
        try:
            with self._fetcher.get(url, bounds) as body:
                yield from body.pieces
        except FetchError as error:
            if error.status:
                raise DownloadHTTPError(str(error), error.status) from error
            raise


class Mirror:
    """One publication at one address, as this subscriber knows it.

    Args:
        url: Where `metadata` and `targets` are.
        folder: Keeps what was last seen.
        root: The root metadata that was received by a way that can be trusted.
        fetcher: Fetches.
        file_bytes: Largest file that is taken.
    """

    def __init__(
        self, url: str, folder: Path, root: bytes, fetcher: Fetcher, file_bytes: int
    ) -> None:
        self.url = url.rstrip("/")
        self._seen = folder / "seen"
        self._fetcher, self._file_bytes = fetcher, file_bytes
        self._seen.mkdir(parents=True, mode=0o700, exist_ok=True)
        with explained():
            self._updater = Updater(
                str(self._seen),
                f"{self.url}/{METADATA}/",
                fetcher=_TufFetcher(fetcher),
                config=UpdaterConfig(targets_max_length=_METADATA_LIMIT),
                bootstrap=root,
            )

    def refresh(self) -> None:
        """Learn the present state.

        Raises:
            IntegrityError: it is refused: code `expired`, `roll_back`, `signature`, `altered`,
                `too_long` or `metadata`.
            FetchError: it cannot be had.
        """
        with explained():
            self._updater.refresh()

    def lists(self) -> Iterator[tuple[str, dict[str, TargetFile]]]:
        """Yield the name of each list's role, and its files by path.

        Raises:
            IntegrityError: as `refresh`.
            FetchError: as `refresh`.
        """
        top: Metadata[Targets] = self._trusted("targets")
        for role in role_names(top.signed)[:_LISTS_LIMIT]:
            if not _ROLE.fullmatch(role):
                continue
            with explained():
                self._updater.get_targetinfo(f"{role}/none")  # has the role's metadata verified
            yield role, self._trusted(role).signed.targets

    def _trusted(self, role: str) -> Metadata[Targets]:
        """Return metadata that the client has verified and kept."""
        return Metadata.from_file(str(self._seen / f"{role}.json"))

    def read(self, target: TargetFile, limit_bytes: int) -> bytes:
        """Return a small file.

        Raises:
            IntegrityError: it is not what its metadata says, or longer than `limit_bytes`.
            FetchError: it cannot be had.
        """
        _bounded(target, limit_bytes)
        with self._fetcher.get(self._url(target), Bounds(target.length, _METADATA_S)) as body:
            content = b"".join(body.pieces)
        with explained():
            target.verify_length_and_hashes(io.BytesIO(content))
        return content

    def fetch(self, target: TargetFile, folder: Path) -> Path:
        """Fetch a file into a folder, going on where an earlier try stopped; return where it lies.

        Raises:
            IntegrityError: it is not what its metadata says.
            FetchError: it did not come to its end; the next try goes on.
            ServiceError: it cannot be written.
        """
        _bounded(target, self._file_bytes)
        path = folder / name_of(target)
        if not path.exists():
            part = folder / (path.name + PART)
            if not part.exists() or part.stat().st_size < target.length:
                self._go_on(target, part)
            try:
                with explained(), part.open("rb") as stream:
                    target.verify_length_and_hashes(stream)
            except IntegrityError:
                part.unlink()
                raise
            part.replace(path)
        return path

    def _go_on(self, target: TargetFile, part: Path) -> None:
        begin = part.stat().st_size if part.exists() else 0
        bounds = Bounds(target.length)
        try:
            with (
                part.open("ab") as stream,
                self._fetcher.get(self._url(target), bounds, begin=begin) as body,
            ):
                os.ftruncate(stream.fileno(), body.begin)
                size_bytes = body.begin
                for piece in body.pieces:
                    size_bytes += len(piece)
                    if size_bytes > target.length:
                        break  # its digest will say that it is wrong
                    stream.write(piece)
                make_durable(stream)
        except OSError as error:
            raise ServiceError(f"cannot write {part}: {error.strerror}") from error
        if size_bytes < target.length:
            raise FetchError("the mirror broke off in the middle of a file", code="truncated")

    def _url(self, target: TargetFile) -> str:
        return f"{self.url}/{TARGETS}/{target.get_prefixed_paths()[0]}"


def name_of(target: TargetFile) -> str:
    """Return the name under which a file is kept: one of its digests."""
    return next(iter(target.hashes.values()))


def _bounded(target: TargetFile, limit_bytes: int) -> None:
    if target.length > limit_bytes:
        raise IntegrityError(
            f"a file of the publication has {target.length} bytes, more than are taken",
            code="too_long",
            hint="[exchange] file_gib",
        )


@contextmanager
def explained() -> Iterator[None]:
    """Turn errors of python-tuf into ours."""
    try:
        yield
    except RepositoryError as error:
        for kind, (code, message, hint) in _REASONS.items():
            if isinstance(error, kind):
                clock = f"{now():%Y-%m-%d %H:%M} UTC"
                raise IntegrityError(message, code=code, hint=hint.format(clock=clock)) from error
        raise IntegrityError(
            "metadata of the publication cannot be read", code="metadata"
        ) from error
    except DownloadLengthMismatchError as error:
        raise IntegrityError(
            "the mirror sends more than there should be", code="too_long"
        ) from error
    except DownloadError as error:
        cause: Any = error.__cause__
        if isinstance(cause, TutelaError):
            raise cause from error
        raise FetchError("the publication cannot be fetched") from error
