"""The statements of one transaction: count a use, append a leaf, keep a record, read the tree."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, insert, select

from consent_edit.encoding import JsonValue, canonical_json, parse_json
from consent_edit.errors import ConsentInvalid, StoreUnavailable
from consent_edit.store import merkle
from consent_edit.store.database import insert_into
from consent_edit.store.schema import DECISIONS, LOG_LEAVES, MERKLE_NODES, USES
from consent_edit.vocabulary import ConsentStatus

CLOCK_SLACK_S: Final = 5
"""Seconds by which a commit may be stamped before the newest entry: callers read the clock, then queue."""

MAX_RECORD_BYTES: Final = 1024 * 1024
"""Bound on one leaf or decision record."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Where an acknowledged leaf stands.

    Attributes:
        index: The leaf's index, from 0.
        size: Leaves in the tree as of this entry.
        root: Root hash of that tree, hex.
        proof: Inclusion path of the leaf under that root, hex, lowest sibling first.
        leaf: The canonical JSON that was hashed.
    """

    index: int
    size: int
    root: str
    proof: tuple[str, ...]
    leaf: bytes


def count_use(connection: Connection, grant_id: str, cap: int | None) -> None:
    """Count one use in one atomic statement, or find the grant exhausted."""
    statement = insert_into(connection, USES).values(grant_hash=grant_hash(grant_id), count=1)
    counted = connection.scalar(
        statement.on_conflict_do_update(
            index_elements=[USES.c.grant_hash],
            set_={"count": USES.c.count + 1},
            where=None if cap is None else USES.c.count < cap,
        ).returning(USES.c.count)
    )
    if counted is None or (cap is not None and counted > cap):
        raise ConsentInvalid(ConsentStatus.EXHAUSTED, "the grant has no use left")


def append(
    connection: Connection, record: Mapping[str, JsonValue], leaf: Mapping[str, JsonValue], now: int
) -> LogEntry:
    """Append the leaf and keep the record, inside the caller's transaction."""
    check_clock(connection, now)
    data, text = bounded_json(leaf), bounded_json(record)
    decision_id, stage = names_of(record)
    index, read = log_size(connection), node_reader(connection)
    nodes = merkle.appended(index, merkle.leaf_hash(data), read)
    connection.execute(insert(LOG_LEAVES).values(leaf_index=index, time=now, data=data))
    connection.execute(
        insert(MERKLE_NODES),
        [{"level": node.level, "node_index": node.index, "hash": node.hash} for node in nodes],
    )
    connection.execute(
        insert(DECISIONS).values(
            decision_id=decision_id, time=now, stage=stage, leaf_index=index, record=text
        )
    )
    size = index + 1
    proof = tuple(node.hex() for node in merkle.inclusion_path(index, size, read))
    return LogEntry(index=index, size=size, root=merkle.root(size, read).hex(), proof=proof, leaf=data)


def check_clock(connection: Connection, now: int) -> None:
    """Refuse a clock that stands before the newest entry."""
    newest = connection.scalar(select(func.max(LOG_LEAVES.c.time)))
    if newest is not None and now < int(newest) - CLOCK_SLACK_S:
        raise StoreUnavailable(
            "the clock stands before the newest log entry",
            code="check.clock-behind",
            remedy="set the machine's clock; status lists and expiry cannot be judged by a wrong one",
        )


def log_size(connection: Connection) -> int:
    """Leaves in the log."""
    last = connection.scalar(select(func.max(LOG_LEAVES.c.leaf_index)))
    return 0 if last is None else int(last) + 1


def node_reader(connection: Connection) -> merkle.NodeReader:
    """Reads tree nodes through a connection."""

    def read(level: int, index: int) -> bytes:
        found = connection.scalar(
            select(MERKLE_NODES.c.hash).where(
                MERKLE_NODES.c.level == level, MERKLE_NODES.c.node_index == index
            )
        )
        if not isinstance(found, bytes):
            raise StoreUnavailable("the log lacks a node of its tree", code="check.store-damaged")
        return found

    return read


def grant_hash(grant_id: str) -> bytes:
    """How a grant is named in the table of uses."""
    return hashlib.sha256(b"consent-edit/grant-use/v1\0" + grant_id.encode("utf-8", "surrogatepass")).digest()


def names_of(record: Mapping[str, JsonValue]) -> tuple[str, str]:
    """A decision record's ``decision_id`` and ``stage``."""
    decision_id, stage = record.get("decision_id"), record.get("stage")
    if not isinstance(decision_id, str) or not isinstance(stage, str) or not decision_id:
        raise StoreUnavailable("a decision record needs decision_id and stage", code="check.record")
    return decision_id, stage


def bounded_json(value: Mapping[str, JsonValue]) -> bytes:
    """Canonical JSON of what is to be kept, within bounds."""
    try:
        data = canonical_json(value)
    except ValueError as error:
        raise StoreUnavailable("a record cannot be written as JSON", code="check.record") from error
    if len(data) > MAX_RECORD_BYTES:
        raise StoreUnavailable("a record is too long", code="check.record")
    return data


def parse_record(data: bytes) -> Mapping[str, JsonValue]:
    """Read back what :func:`bounded_json` wrote."""
    try:
        record = parse_json(data, max_bytes=MAX_RECORD_BYTES)
    except ValueError as error:
        raise StoreUnavailable("a record in the store is damaged", code="check.store-damaged") from error
    if not isinstance(record, Mapping):
        raise StoreUnavailable("a record in the store is damaged", code="check.store-damaged")
    return record
