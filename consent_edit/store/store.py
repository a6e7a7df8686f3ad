"""The store: one transaction holds use counts, nonces, the decision record and the log leaf (G4, G10).

What cannot be written raises and is never half there. On SQLite every write runs under ``BEGIN IMMEDIATE``
with ``synchronous=FULL`` in WAL mode; on PostgreSQL every write first takes one advisory lock, so that the
log is one sequence however many nodes write it. What was acknowledged survives the process and the power.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sqlalchemy import select

from consent_edit.encoding import JsonValue
from consent_edit.errors import StoreUnavailable
from consent_edit.perception.observation import Origin
from consent_edit.store import decisions, freshness, ledger, lineage, merkle
from consent_edit.store.database import Database, translated
from consent_edit.store.decisions import KeptDecision
from consent_edit.store.journal import Journal, take_out
from consent_edit.store.ledger import LogEntry
from consent_edit.store.likeness import Alike, Likenesses
from consent_edit.store.opening import open_vault
from consent_edit.store.schema import DECISIONS, LOG_LEAVES, USES
from consent_edit.store.vault import SubjectEntry, Vault
from consent_edit.store.vault_key import VaultKey, key_unavailable


@dataclass(frozen=True, slots=True)
class LogState:
    """Size and root (hex) of the whole log."""

    size: int
    root: str


class Store:
    """Use counts, nonces, decision records, log and vault, in one database. Safe to share between threads."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault
        self._journal = Journal(database)
        self._likenesses = Likenesses(vault)

    @classmethod
    def open(
        cls, where: str | Path, *, busy_timeout_ms: int = 5000, vault_key: VaultKey | None = None
    ) -> Store:
        """Open a store, creating it (a file readable by its owner alone) when absent.

        Args:
            where: A SQLite file; ``":memory:"`` for a store that ends with the process; or the address
                ``postgresql+psycopg://...`` of a database that is empty or holds a store.
            busy_timeout_ms: How long to wait for another process's transaction.
            vault_key: Opens the vault; one that was loaded from a file is looked up there anew, for a change
                of key may have been cut short. Without one, a SQLite file has its key beside it in
                ``<name>.vault-key``, made together with the vault and never again; a store in memory has a
                fresh one; a store on PostgreSQL is refused.

        Raises:
            StoreUnavailable: it cannot be opened for writing; ``check.store-version``: it is not a store of
                this version or an older one; ``check.vault-key``: the key is missing or is not the store's;
                ``check.store-address``: the address is of no kind we know.
        """
        database = Database.open(where, busy_timeout_ms)
        try:
            if database.is_postgres and vault_key is None:
                raise key_unavailable(
                    "a store on PostgreSQL has no key file",
                    "make a key with VaultKey.generate().save(path), keep it off the database's machine, "
                    "and give it as vault_key",
                )
            with database.writing() as connection:
                vault = open_vault(connection, database, vault_key)
        except BaseException:
            database.close()
            raise
        return cls(database, vault)

    @property
    def vault(self) -> Vault:
        """What is kept of people, sealed; in the same database."""
        return self._vault

    def close(self) -> None:
        """Close the connections; the store cannot be used afterwards unless opened again.

        Admitted edits that are open still are lost from now on.
        """
        self._journal.end()
        self._database.close()

    @property
    def journal(self) -> Journal:
        """The edits that were admitted and are not closed yet; in the same database."""
        return self._journal

    def commit_release(
        self,
        *,
        grants: Sequence[tuple[str, int | None]],
        record: Mapping[str, JsonValue],
        leaf: Mapping[str, JsonValue],
        now: int,
        nonces: Sequence[tuple[str, int]] = (),
        subjects: Sequence[SubjectEntry] = (),
        origins: Mapping[str, Origin] = MappingProxyType({}),
        likenesses: Mapping[str, Sequence[bytes]] = MappingProxyType({}),
        closes: bool = False,
    ) -> LogEntry:
        """Spend nonces, count a use of each grant, keep record and entries, append the leaf: all, or nothing.

        Args:
            grants: (grant id, its max_uses, or None where the grant sets none). A grant named twice is used
                once, under its smallest cap.
            record: The private decision record; needs the strings ``decision_id`` and ``stage``.
            leaf: The log leaf, free of personal data.
            now: Unix seconds.
            nonces: (nonce, Unix seconds until which what bears it would verify), each spent once and for all:
                one named twice, or issued here and ended, is refused like one that was spent.
            subjects: What the decision leaves of each person depicted, sealed under that person's data key.
            origins: Pixel digest of each picture that leaves -> the first picture of its chain of edits.
            likenesses: Pixel digest of each -> its PDQ hashes, by which it is found when it is saved anew.
            closes: Whether this ends the admitted edit that bears the record's name.

        Raises:
            ConsentInvalid: ``EXHAUSTED``: a grant has no use left; ``REPLAYED``: a nonce was spent before.
                Nothing was written.
            InputError: ``input.vault``: a subject is empty or too long. Nothing was written.
            StoreUnavailable: not written; ``check.clock-behind`` when ``now`` is before the newest entry;
                ``check.edit-closed`` when the edit is not open any more. If a server went away during the
                commit, it may have been written: a use burnt for nothing.
        """
        caps: dict[str, int | None] = {}
        for grant_id, cap in grants:
            known = caps.get(grant_id)
            caps[grant_id] = cap if known is None else known if cap is None else min(cap, known)
        with self._database.writing() as connection:
            decision_id, _ = ledger.names_of(record)
            if closes:
                take_out(connection, decision_id)
            freshness.spend(connection, nonces, now)
            for grant_id, cap in caps.items():
                ledger.count_use(connection, grant_id, cap)
            for entry in subjects:
                self._vault.record(connection, entry, decision_id)
            for picture, origin in origins.items():
                lineage.keep(connection, picture, origin, now)
                self._likenesses.keep(connection, picture, likenesses.get(picture, ()), now)
            return ledger.append(connection, record, leaf, now)

    def commit_refusal(
        self,
        *,
        record: Mapping[str, JsonValue],
        leaf: Mapping[str, JsonValue],
        now: int,
        subjects: Sequence[SubjectEntry] = (),
        closes: bool = False,
    ) -> LogEntry:
        """Keep the record of a refusal and append its leaf; no grant is used and no nonce spent.

        Raises:
            InputError: as :meth:`commit_release`.
            StoreUnavailable: as :meth:`commit_release`.
        """
        return self.commit_release(
            grants=(), record=record, leaf=leaf, now=now, subjects=subjects, closes=closes
        )

    def subject_entries(self, subject: str) -> tuple[Mapping[str, JsonValue], ...]:
        """What decisions left of a person, oldest first: ``decision_id`` and ``data``; empty once erased.

        Raises:
            InputError: ``input.vault``: the subject is empty or too long.
            StoreUnavailable: the store cannot be read, or what it holds was tampered with.
        """
        return self._vault.recorded(subject)

    def erase_subject(self, subject: str) -> int:
        """Erase all that the vault holds of a person; log, receipts and use counts stay as they are.

        Returns:
            How many entries were erased.

        Raises:
            InputError: ``input.vault``: the subject is empty or too long.
            StoreUnavailable: as :meth:`Vault.erase`.
        """
        return self._vault.erase(subject)

    def origin(self, picture: str, otherwise: Origin) -> Origin:
        """The first picture of the chain of edits that a picture was released from.

        Args:
            picture: Its pixel digest.
            otherwise: The picture itself: the answer where no release is known.

        Raises:
            StoreUnavailable: the store cannot be read; ``check.store-damaged``: it holds no readable origin.
        """
        with self._database.reading() as connection:
            return lineage.find(connection, picture, otherwise)

    def alike(self, hashes: Sequence[bytes], most: float) -> tuple[Alike, ...]:
        """Released pictures that a picture may have come from, by what it looks like; the nearest first.

        Args:
            hashes: Its PDQ hashes, in every way it may lie.
            most: Bits, of 256, that may differ.

        Raises:
            StoreUnavailable: as :meth:`origin`.
        """
        with self._database.reading() as connection:
            return self._likenesses.find(connection, hashes, most)

    def forget_origins(self, pictures: Sequence[str]) -> int:
        """Forget where released pictures came from, before their time; each is then a first picture again.

        Args:
            pictures: Pixel digests.

        Returns:
            How many were known.

        Raises:
            StoreUnavailable: it could not be written down.
        """
        with self._database.writing() as connection:
            self._likenesses.forget(connection, pictures)
            return lineage.forget(connection, pictures)

    def issue_nonce(self, now: int, lifetime: int) -> str:
        """Make a nonce of 256 random bits that can be spent once, for ``lifetime`` seconds, a day at most.

        Raises:
            InputError: ``input.nonce``: the lifetime is none of these.
            StoreUnavailable: it could not be written down, or ``check.clock-behind``.
        """
        with self._database.writing() as connection:
            ledger.check_clock(connection, now)
            return freshness.issue(connection, now, lifetime)

    def spend_nonce(self, nonce: str, now: int) -> None:
        """Spend a nonce that this store issued; of any number that race for it, one succeeds.

        Raises:
            ConsentInvalid: ``REPLAYED``: it was never issued, has ended, or was spent.
            StoreUnavailable: it could not be written down, or ``check.clock-behind``.
        """
        with self._database.writing() as connection:
            ledger.check_clock(connection, now)
            freshness.spend_issued(connection, nonce, now)

    def nonce_spent(self, nonce: str) -> bool:
        """Whether a nonce was spent; remembered for a day beyond its end. Only a commit decides a race.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._database.reading() as connection:
            return freshness.is_spent(connection, nonce)

    def raise_mark(self, name: str, value: int) -> None:
        """Remember the highest value seen of something that may only rise; the same again is fine.

        Raises:
            VerificationFailed: ``verification.rollback``: a higher one was seen; ``verification.mark``: the
                name is not 1 to 512 printable characters, or the value not 0 to 2**53 - 1.
            StoreUnavailable: it could not be written down.
        """
        with self._database.writing() as connection:
            freshness.raise_mark(connection, name, value)

    def check_clock(self, now: int) -> None:
        """Refuse a clock that stands before the newest log entry (G6).

        Raises:
            StoreUnavailable: ``check.clock-behind``, or the store cannot be read.
        """
        with self._database.reading() as connection:
            ledger.check_clock(connection, now)

    def uses(self, grant_id: str) -> int:
        """Releases made so far under a grant; 0 for one never used.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._database.reading() as connection:
            count = connection.scalar(
                select(USES.c.count).where(USES.c.grant_hash == ledger.grant_hash(grant_id))
            )
            return 0 if count is None else int(count)

    def decision(self, decision_id: str) -> Mapping[str, JsonValue]:
        """The private record of a decision.

        Raises:
            StoreUnavailable: the store cannot be read, or holds no such decision (``check.no-decision``).
        """
        with self._database.reading() as connection:
            found = connection.scalar(
                select(DECISIONS.c.record).where(DECISIONS.c.decision_id == decision_id)
            )
        if not isinstance(found, bytes):
            raise StoreUnavailable("the store holds no such decision", code="check.no-decision")
        return ledger.parse_record(found)

    def decisions(self, *, since: int = 0) -> Iterator[KeptDecision]:
        """Every decision there is by now, in the order of the log; a few at a time, whatever their number.

        Args:
            since: Unix seconds; older ones are left out.

        Raises:
            StoreUnavailable: while it is walked: the store cannot be read.
        """
        return decisions.walk(self._database, since)

    def log_state(self) -> LogState:
        """Size and root of the log as it stands.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._database.reading() as connection:
            size = ledger.log_size(connection)
            return LogState(size, merkle.root(size, ledger.node_reader(connection)).hex())

    def leaf(self, index: int) -> bytes:
        """The canonical JSON of one leaf.

        Raises:
            StoreUnavailable: the store cannot be read, or holds no such leaf.
        """
        with self._database.reading() as connection:
            found = connection.scalar(select(LOG_LEAVES.c.data).where(LOG_LEAVES.c.leaf_index == index))
        if not isinstance(found, bytes):
            raise StoreUnavailable("the log holds no such leaf", code="check.no-leaf")
        return found

    def inclusion_proof(self, index: int, size: int) -> tuple[str, ...]:
        """Inclusion path (hex) of a leaf in the tree of the first ``size`` leaves.

        Raises:
            StoreUnavailable: the store cannot be read, or has no such leaf or size.
        """
        with self._database.reading() as connection, translated(ValueError):
            return tuple(
                node.hex() for node in merkle.inclusion_path(index, size, ledger.node_reader(connection))
            )

    def consistency_proof(self, old: int, new: int) -> tuple[str, ...]:
        """Consistency path (hex) from the tree of ``old`` leaves to the tree of ``new``.

        Raises:
            StoreUnavailable: the store cannot be read, or unless 0 < old <= new <= size.
        """
        with self._database.reading() as connection, translated(ValueError):
            return tuple(
                node.hex() for node in merkle.consistency_path(old, new, ledger.node_reader(connection))
            )
