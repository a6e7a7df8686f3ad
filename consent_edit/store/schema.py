"""The tables: the log with its tree, private decision records, and use counts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import DDL, Column, Index, Integer, LargeBinary, MetaData, String, Table, event

SCHEMA_VERSION: Final = 1
"""Written to ``PRAGMA user_version``; a store of another version is not opened."""

APPLICATION_ID: Final = 0x63656474
"""``cedt`` in ``PRAGMA application_id``: tells this store from any other SQLite file."""

METADATA: Final = MetaData()

LOG_LEAVES: Final = Table(
    "log_leaves",
    METADATA,
    Column("leaf_index", Integer, primary_key=True, autoincrement=False),
    Column("time", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Leaf data in order: canonical JSON without personal data (G8). ``time`` is Unix seconds."""

Index("log_leaves_time", LOG_LEAVES.c.time)

MERKLE_NODES: Final = Table(
    "merkle_nodes",
    METADATA,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("node_index", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)
"""Complete subtrees of the log's tree."""

DECISIONS: Final = Table(
    "decisions",
    METADATA,
    Column("decision_id", String, primary_key=True),
    Column("time", Integer, nullable=False),
    Column("stage", String, nullable=False),
    Column("leaf_index", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
"""Private records: exact codes, facts and salts, as JSON; for the operator and the person depicted."""

USES: Final = Table(
    "uses",
    METADATA,
    Column("grant_hash", LargeBinary(32), primary_key=True),
    Column("count", Integer, nullable=False),
)
"""Releases made under each grant, which is named by a hash of its id."""

for _table in (LOG_LEAVES, MERKLE_NODES):
    for _verb in ("UPDATE", "DELETE"):
        event.listen(
            _table,
            "after_create",
            DDL(  # type: ignore[no-untyped-call]
                f"CREATE TRIGGER {_table.name}_no_{_verb.lower()} BEFORE {_verb} ON {_table.name} "
                "BEGIN SELECT RAISE(ABORT, 'the log only grows'); END"
            ),
        )
