"""The tables: log and tree, decisions, open admissions, uses, lineage and likenesses, vault and so on."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    event,
)

SCHEMA_VERSION: Final = 6
"""In ``PRAGMA user_version``, or in :data:`STORE_INFO` on PostgreSQL; no other version is written to."""

APPLICATION_ID: Final = 0x63656474
"""``cedt`` in ``PRAGMA application_id``: tells this store from any other SQLite file."""

METADATA: Final = MetaData()

_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""64 bits on either database."""

LOG_LEAVES: Final = Table(
    "log_leaves",
    METADATA,
    Column("leaf_index", _NUMBER, primary_key=True, autoincrement=False),
    Column("time", _NUMBER, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""Leaf data in order: canonical JSON without personal data (G8). ``time`` is Unix seconds."""

Index("log_leaves_time", LOG_LEAVES.c.time)

MERKLE_NODES: Final = Table(
    "merkle_nodes",
    METADATA,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("node_index", _NUMBER, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary(32), nullable=False),
)
"""Complete subtrees of the log's tree."""

DECISIONS: Final = Table(
    "decisions",
    METADATA,
    Column("decision_id", String, primary_key=True),
    Column("time", _NUMBER, nullable=False),
    Column("stage", String, nullable=False),
    Column("leaf_index", _NUMBER, nullable=False),
    Column("record", LargeBinary, nullable=False),
)
"""Private records: exact codes, facts and salts, as JSON; for the operator and the person depicted."""

DECISIONS_BY_LEAF: Final = Index("decisions_leaf", DECISIONS.c.leaf_index)
"""To read them in the order of the log; a store that was laid out without it is given it when opened."""

ADMISSIONS: Final = Table(
    "admissions",
    METADATA,
    Column("decision_id", String, primary_key=True),
    Column("owner", _NUMBER, nullable=False),
    Column("time", _NUMBER, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
)
"""Edits that were admitted and have no closing record yet (``store.journal``): the name it will have, the
process that answers for it (``store.presence``), when, and what is written should nothing else ever be. Facts
and model hashes: no grant, picture, digest or name (G8)."""

USES: Final = Table(
    "uses",
    METADATA,
    Column("grant_hash", LargeBinary(32), primary_key=True),
    Column("count", _NUMBER, nullable=False),
)
"""Releases made under each grant, which is named by a hash of its id."""

STORE_INFO: Final = Table(
    "consent_edit_store",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""What the store knows of itself: ``tenant`` (16 random bytes), ``vault-key`` (the id of the key that opens
the vault) and, on PostgreSQL, ``schema`` (the version)."""

VAULT_SUBJECTS: Final = Table(
    "vault_subjects",
    METADATA,
    Column("subject_id", LargeBinary(16), primary_key=True),
    Column("tag", LargeBinary(32), nullable=False, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
)
"""One row a subject: the HMAC tag it is found by, and its data key and name, wrapped by the vault key."""

VAULT_ENTRIES: Final = Table(
    "vault_entries",
    METADATA,
    Column("subject_id", LargeBinary(16), ForeignKey(VAULT_SUBJECTS.c.subject_id), primary_key=True),
    Column("kind", String, primary_key=True),
    Column("version", _NUMBER, primary_key=True, autoincrement=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""What is kept of a subject, sealed under the subject's data key."""

Index("vault_entries_kind", VAULT_ENTRIES.c.kind)

NONCES: Final = Table(
    "nonces",
    METADATA,
    Column("nonce_hash", LargeBinary(32), primary_key=True),
    Column("until", _NUMBER, nullable=False),
    Column("spent", Boolean, nullable=False),
)
"""Nonces issued and nonces spent, named by a hash. ``until`` is Unix seconds."""

Index("nonces_until", NONCES.c.until)

MARKS: Final = Table(
    "marks",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", _NUMBER, nullable=False),
)
"""High-water marks: values that may rise and never fall."""

LINEAGE: Final = Table(
    "lineage",
    METADATA,
    Column("picture_hash", LargeBinary(32), primary_key=True),
    Column("until", _NUMBER, nullable=False),
    Column("origin", LargeBinary, nullable=False),
)
"""The first picture that each released one came from, sealed (``store.lineage``); named by a hash of its
pixel digest. ``until`` is Unix seconds. A store of version 3 has the same table: the version says that an
older release, which cannot open a sealed row, is not to use the store any more."""

Index("lineage_until", LINEAGE.c.until)

LIKENESSES: Final = Table(
    "likenesses",
    METADATA,
    Column("picture_hash", LargeBinary(32), primary_key=True),
    Column("until", _NUMBER, nullable=False),
    Column("since", _NUMBER, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
"""What released pictures look like, sealed under a key of the vault's (``store.likeness``); named as in
:data:`LINEAGE`. ``since`` is the index of the leaf that the row came with: it only grows."""

Index("likenesses_until", LIKENESSES.c.until)
Index("likenesses_since", LIKENESSES.c.since)

SINCE_VERSION_6: Final = (LIKENESSES,)
"""What a store of version 5 lacks; a release that knows nothing of it would leave pictures unlisted."""

SINCE_VERSION_5: Final = (ADMISSIONS,)
"""What a store of version 4 lacks; a release that admits edits without it could lose one unseen."""

SINCE_VERSION_3: Final = (LINEAGE,)
"""What a store of version 2 lacks; it is no mere help, so an older release must not write without it."""

SINCE_VERSION_2: Final = (STORE_INFO, VAULT_SUBJECTS, VAULT_ENTRIES, NONCES, MARKS)
"""What a store of version 1 lacks."""

_GROWS_ONLY: Final = (LOG_LEAVES, MERKLE_NODES)


def _on(table: Table, dialect: str, statement: str) -> None:
    """Execute a statement once the table is made, on one kind of database."""
    ddl = DDL(statement.replace("%", "%%")).execute_if(dialect=dialect)  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", ddl)


for _table in _GROWS_ONLY:
    for _verb in ("UPDATE", "DELETE"):
        _on(
            _table,
            "sqlite",
            f"CREATE TRIGGER {_table.name}_no_{_verb.lower()} BEFORE {_verb} ON {_table.name} "
            "BEGIN SELECT RAISE(ABORT, 'the log only grows'); END",
        )
    _on(
        _table,
        "postgresql",
        f"CREATE FUNCTION {_table.name}_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'the log only grows'; END$$",
    )
    _on(
        _table,
        "postgresql",
        f"CREATE TRIGGER {_table.name}_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {_table.name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {_table.name}_grows()",
    )
