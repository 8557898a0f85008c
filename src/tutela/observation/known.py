"""Counts of distinct media that an alert list has, by whatever column one asks for."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from tutela.store.tables.observation import MediaPlace, SeenMedia


def known_places(by: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Count distinct media that an alert list has, by a column."""
    return (
        select(by, func.count(MediaPlace.media_id.distinct()))
        .select_from(MediaPlace)
        .join(SeenMedia, SeenMedia.id == MediaPlace.media_id)
        .where(SeenMedia.listed.is_(True), *conditions)
        .group_by(by)
    )


def counts(tx: Connection, asked: Any) -> Counter[Any]:
    """Return what a query of keys and counts gives; 0 for what it does not name."""
    return Counter(dict(tx.execute(asked).all()))
