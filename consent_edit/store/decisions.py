"""Reading all decisions back: a few at a time, in the order of the log, without holding the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select

from consent_edit.encoding import JsonValue
from consent_edit.store import ledger
from consent_edit.store.database import Database
from consent_edit.store.schema import DECISIONS

PAGE: Final = 100
"""Decisions read in one transaction; one is about 5 KB. A long one would keep what is erased on the disk."""


@dataclass(frozen=True, slots=True)
class KeptDecision:
    """A decision as it lies in the store.

    Attributes:
        decision_id: Its random name.
        index: Where its leaf stands in the log, from 0.
        time: Unix seconds.
        stage: The word it was kept under.
        data: The private record's JSON, unread.
    """

    decision_id: str
    index: int
    time: int
    stage: str
    data: bytes = field(repr=False)

    @property
    def record(self) -> Mapping[str, JsonValue]:
        """The private record.

        Raises:
            StoreUnavailable: ``check.store-damaged``: it cannot be read as one.
        """
        return ledger.parse_record(self.data)


def walk(database: Database, since: int) -> Iterator[KeptDecision]:
    """The decisions that are in the log when the walk begins.

    Args:
        since: Unix seconds; older ones are left out.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    with database.reading() as connection:
        end = ledger.log_size(connection)
    last = -1
    while page := _page(database, last, end, since):
        yield from page
        last = page[-1].index


def _page(database: Database, last: int, end: int, since: int) -> list[KeptDecision]:
    columns = DECISIONS.c
    wanted = (
        select(columns.decision_id, columns.leaf_index, columns.time, columns.stage, columns.record)
        .where(columns.leaf_index > last, columns.leaf_index < end, columns.time >= since)
        .order_by(columns.leaf_index)
        .limit(PAGE)
    )
    with database.reading() as connection:
        return [
            KeptDecision(str(name), int(index), int(time), str(stage), _bytes(record))
            for name, index, time, stage, record in connection.execute(wanted)
        ]


def _bytes(record: object) -> bytes:
    """What the row holds; nothing where that is no record, so that it reads as a damaged one."""
    return record if isinstance(record, bytes) else b""
