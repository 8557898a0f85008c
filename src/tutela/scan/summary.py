"""The summary of a scan: totals that add up, and what the report tells about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tutela.core.errors import IntegrityError
from tutela.scan import rows
from tutela.scan.journal import Recorded
from tutela.scan.rows import Row
from tutela.scan.wire import Status

_HIT_KEY = ("list", "role", "classification", "strength")


@dataclass
class Summary:
    """Running totals over the recorded contents; `row` is the scan's last row.

    A content is one place: the same bytes in two places count twice as contents, once as media.
    """

    status: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[tuple[Status, str]] = field(default_factory=Counter)
    size_bytes: int = 0
    pictures: int = 0
    media: int = 0
    announced: int = 0
    hits: int = 0
    contents_with_alerts: int = 0
    hits_by_list: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)

    def add(self, recorded: Recorded) -> None:
        """Count one content."""
        outcome = recorded.outcome
        self.status[outcome.status] += 1
        if outcome.reason:
            self.reasons[outcome.status, outcome.reason] += 1
        self.announced += outcome.contents
        self.size_bytes += outcome.size_bytes or 0
        self.pictures += bool(outcome.fingerprints)
        self.hits += len(recorded.hits)
        self.contents_with_alerts += bool(rows.alerts(recorded.hits))
        for hit in recorded.hits:
            codes = ", ".join(f"{c.scheme} {c.code}" for c in hit.entry.classifications)
            self.hits_by_list[hit.list, hit.role.value, codes, hit.strength.value] += 1

    @property
    def seen(self) -> int:
        """Contents seen, however they ended."""
        return self.status.total()

    @property
    def failed(self) -> int:
        """Contents that could not be read, each listed with its reason."""
        return self.status[Status.FAILED]

    def check(self, files: int) -> None:
        """Compare with the files that the walk found, and what containers said they hold.

        Raises:
            IntegrityError: something seen has no row. This is a defect, and must never be hidden.
        """
        expected = files + self.announced
        if self.seen != expected:
            raise IntegrityError(
                f"the totals do not add up: {expected} contents seen, {self.seen} accounted for",
                code="totals",
                hint="please report this; scan again with --fresh",
            )

    def row(self) -> Row:
        """Return the summary as the last row; the same input gives the same row."""
        return {
            "v": rows.VERSION,
            "type": "summary",
            "seen": self.seen,
            "hashed": self.status[Status.HASHED],
            "skipped": self.status[Status.SKIPPED],
            "failed": self.failed,
            "size_bytes": self.size_bytes,
            "media": self.media,
            "pictures": self.pictures,
            "hits": self.hits,
            "contents_with_alerts": self.contents_with_alerts,
            "hits_by_list": [
                dict(zip(_HIT_KEY, key, strict=True), hits=n)
                for key, n in sorted(self.hits_by_list.items())
            ],
            "reasons": [
                {"type": rows.TYPES[status], "reason": reason, "contents": n}
                for (status, reason), n in sorted(self.reasons.items())
            ],
        }
