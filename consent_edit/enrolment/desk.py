"""The enrolment desk: enrol, renew, revoke and erase, each of them leaving one entry in the issuer's log.

Its promise: no credential goes out without an entry in the register and one in the log. So the log entry is
written first (it spends the review that was used), then the register, and only then is the credential handed
back. After a crash log or register may speak of a credential that never left; the reverse cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias

from consent_edit.consent.binding import Evidence, Guardian
from consent_edit.consent.holder.presence import Asked
from consent_edit.consent.issuing.admission import check_age, check_keys
from consent_edit.consent.issuing.capture import Capture
from consent_edit.consent.issuing.issue import Enrolment, Issuer
from consent_edit.consent.keys import PublicJwk
from consent_edit.consent.match import Probe
from consent_edit.consent.signatory import Signatory
from consent_edit.enrolment import identity, renewal
from consent_edit.enrolment.audit import Attempt, Cause, Event, audited, entry_names, weight_files
from consent_edit.enrolment.hearing import Bench, Heard
from consent_edit.enrolment.register import Register, RegisterEntry
from consent_edit.errors import InputError
from consent_edit.nonces import given_out, spend
from consent_edit.store.store import Store
from consent_edit.thresholds import Thresholds

Listed: TypeAlias = Callable[[Probe, Mapping[str, str]], bool]
"""Whether a face, under these weight files, is of somebody who must not be enrolled."""


def nobody_listed(_probe: Probe, _models: Mapping[str, str]) -> bool:
    """No list."""
    return False


@dataclass(frozen=True, slots=True)
class EnrolmentDesk:
    """One issuer's desk. Safe between threads and processes, as far as its store and status service are.

    Attributes:
        store: The issuer's own: its log, and the vault that the register lies in.
        thresholds: Strict cosines and limits of quality.
        clock: Unix seconds.
        reviewers: Who may decide by review.
        listed: A "never edit me" list, if there is one: whoever is on it is not enrolled, review or no.
    """

    issuer: Issuer
    store: Store
    thresholds: Thresholds
    clock: Callable[[], int]
    reviewers: tuple[PublicJwk, ...] = ()
    listed: Listed = field(default=nobody_listed)

    @property
    def register(self) -> Register:
        """Whom this issuer has enrolled."""
        return Register(self.store.vault, self.thresholds.enrolment)

    def enrol(
        self,
        captures: Sequence[Capture],
        *,
        holders: Sequence[Signatory],
        models: Mapping[str, str],
        evidence: Evidence,
        birthdate: date = date.min,
        guardians: Sequence[Guardian] = (),
        review: str = "",
    ) -> tuple[Enrolment, ...]:
        """Enrol a person under one key, or under several for as many credentials that do not share one.

        Args:
            captures: 1 to 5 photos of her.
            holders: Her keys.
            models: Role -> hex SHA-256 of the weight file that made its embeddings.
            evidence: How she was identified; under a review its liveness is the one the reviewer names.
            birthdate: As verified; the default says it was not.
            guardians: Who signs in her place.
            review: A reviewer's signed decision about these photos and keys; it alone can say what becomes of
                an earlier enrolment of the same face, or that other guardians sign for her from now on.

        Raises:
            EnrolmentRefused: as :meth:`Issuer.enrol_batch`; or with ``input.enrolment-review``: the face or a
                key is enrolled already, for another key or face, or is on the list.
            ConsentInvalid: the review does not verify, or was used before.
            CheckFailed: fewer than two embedders.
            StoreUnavailable: register, log or status list cannot be read or written; nothing went out.
        """
        now, keys = self.clock(), tuple(holder.thumbprint for holder in holders)
        with audited(self.store, self._attempt(Event.ENROLMENT, models, now, *keys[:1])) as attempt:
            check_keys(holders, guardians)
            check_age(birthdate, guardians, now)
            heard, evidence = self._heard(review, captures, keys, evidence, attempt)
            shown = identity.read(captures, models, self.thresholds, attempt)
            with self.register.claim(keys, shown.templates, shown.probes, models, now):
                known = identity.earlier_entry(
                    self.register,
                    shown,
                    keys,
                    birthdate=birthdate,
                    guardians=guardians,
                    heard=heard,
                    attempt=attempt,
                )
                self._refuse_listed(shown, attempt)
                issued = self.issuer.enrol_batch(
                    captures,
                    holders=holders,
                    models=models,
                    thresholds=self.thresholds,
                    evidence=evidence,
                    now=now,
                    birthdate=birthdate,
                    guardians=guardians,
                )
                entry = identity.entered(known, issued, birthdate=birthdate, guardians=guardians, now=now)
                ended = identity.ended(known, birthdate=birthdate, guardians=guardians, heard=heard, now=now)
                self._keep(attempt, issued, entry, ended=ended)
        return issued

    def challenge(self, asked: Asked = Asked.RENEW) -> str:
        """A nonce for one request, good once: the person's key-binding JWT bears it.

        Raises:
            StoreUnavailable: it cannot be written down.
        """
        return given_out(self.store, asked, self.clock())

    def renew(
        self,
        presentation: str,
        captures: Sequence[Capture],
        *,
        nonce: str,
        models: Mapping[str, str],
        evidence: Evidence,
        holders: Sequence[Signatory] = (),
        still_named: Collection[str] = (),
        review: str = "",
    ) -> tuple[Enrolment, ...]:
        """Issue anew to somebody who holds her key and shows her face again.

        Birthdate and guardians are those of the register, the level at most that of the credential presented.

        Args:
            presentation: The credential with the holder's key-binding JWT; its audience is the issuer's name.
            captures: New photos; each must match the register, by every embedder whose weight file is the
                same, one at least.
            nonce: Of :meth:`challenge`; it counts once.
            models: As :meth:`enrol`.
            evidence: As :meth:`enrol`.
            holders: New keys; by default the key stays.
            still_named: Weight files (hex SHA-256) that verifiers still use: their templates go along.
            review: Takes the place of the comparison where no weight file is the same any more.

        Raises:
            ConsentInvalid: the presentation or review does not verify, was used before, or the credential is
                revoked.
            EnrolmentRefused: as :meth:`enrol`; or the photos show somebody else than the register does, or
                nothing can be compared.
            CheckFailed: fewer than two embedders.
            StoreUnavailable: as :meth:`enrol`.
        """
        now = self.clock()
        with audited(self.store, self._attempt(Event.RENEWAL, models, now)) as attempt:
            held = renewal.presented(self.issuer, presentation, nonce=nonce, now=now)
            attempt.subject = held.holder.thumbprint
            spend(self.store, nonce, Asked.RENEW, now)
            holders = tuple(holders) or (held.holder,)
            keys = tuple(holder.thumbprint for holder in holders)
            evidence = held.capped(evidence)
            heard, evidence = self._heard(review, captures, keys, evidence, attempt)
            shown = identity.read(captures, models, self.thresholds, attempt)
            claimed = tuple({held.holder.thumbprint, *keys})
            with self.register.claim(claimed, shown.templates, shown.probes, models, now):
                entry = renewal.registered(self.register, held)
                identity.require_same_face(self.register, entry, shown, reviewed=heard.given, attempt=attempt)
                if self.register.of_keys(claimed) != (entry,):
                    raise identity.needs_review(attempt, Cause.OTHER_FACE)
                identity.require_nobody_else(self.register, entry, shown, heard=heard, attempt=attempt)
                self._refuse_listed(shown, attempt)
                issued = self.issuer.enrol_batch(
                    captures,
                    holders=holders,
                    models=models,
                    thresholds=self.thresholds,
                    evidence=evidence,
                    now=now,
                    birthdate=entry.birthdate,
                    guardians=entry.guardian,
                    carried=[one for one in entry.face_template if one.sha256 in still_named],
                )
                entry = identity.entered(
                    (entry,), issued, birthdate=entry.birthdate, guardians=entry.guardian, now=now
                )
                self._keep(attempt, issued, entry)
        return issued

    def record_refusal(self, review: str) -> str:
        """Write a reviewer's refusal into the log at once; its case cannot be decided again.

        Returns:
            Thumbprint of the reviewer.

        Raises:
            ConsentInvalid: no listed reviewer signed it, or it was recorded before.
            EnrolmentRefused: it is of another issuer or day.
            InputError: it is no refusal.
            StoreUnavailable: not written.
        """
        return self._bench.record_refusal(review, self.clock())

    def revoke(self, idx: int) -> None:
        """Revoke a credential by its status entry; every grant under it falls with it.

        Raises:
            InputError: no such entry.
            StoreUnavailable: the status list or the log cannot be written.
        """
        with audited(self.store, Attempt(Event.REVOCATION, self.clock())) as attempt:
            self.issuer.revoke(idx)
            attempt.entries = entry_names((idx,), self.issuer.status.uri)
            attempt.commit(self.store)

    def erase(self, subject: str) -> int:
        """Forget a person: her credentials are revoked, her templates and her log entries' salts go.

        Args:
            subject: Thumbprint of any of her keys.

        Returns:
            How many credentials were revoked.

        Raises:
            InputError: nobody of that key is known here.
            StoreUnavailable: not surely erased; do it again.
        """
        with audited(self.store, Attempt(Event.ERASURE, self.clock(), subject)) as attempt:
            entries = self.register.of_keys((subject,))
            revoked = [one.entry.idx for entry in entries for one in entry.issued]
            for idx in revoked:
                self.issuer.revoke(idx)
            if not entries and not self.register.forget((subject,)):
                raise InputError("nobody of that key is enrolled here", code="input.subject")
            attempt.entries = entry_names(revoked, self.issuer.status.uri)
            attempt.commit(self.store)  # before the erasure: one cut short is found and done again
            for entry in entries:
                self.register.forget(entry.keys)
        return len(revoked)

    def _attempt(self, event: Event, models: Mapping[str, str], now: int, subject: str = "") -> Attempt:
        files = weight_files(models, tuple(self.thresholds.enrolment))
        return Attempt(event, now, subject, models=files)

    @property
    def _bench(self) -> Bench:
        return Bench(self.store, self.issuer.name, self.reviewers)

    def _heard(
        self,
        review: str,
        captures: Sequence[Capture],
        keys: Sequence[str],
        evidence: Evidence,
        attempt: Attempt,
    ) -> tuple[Heard, Evidence]:
        photos = {capture.digest for capture in captures}
        return self._bench.hear(review, evidence, attempt, photos=photos, keys=keys)

    def _refuse_listed(self, shown: identity.Shown, attempt: Attempt) -> None:
        """Somebody on the list reads what a double reads; no review lifts it."""
        if any(self.listed(probe, shown.models) for probe in shown.probes):
            raise identity.needs_review(attempt, Cause.LISTED)

    def _keep(
        self,
        attempt: Attempt,
        issued: Sequence[Enrolment],
        entry: RegisterEntry,
        *,
        ended: Sequence[RegisterEntry] = (),
    ) -> None:
        """The log, then what ends, then the register: all of it before any credential goes out."""
        attempt.entries = entry_names((one.entry.idx for one in issued), self.issuer.status.uri)
        attempt.loa = issued[0].loa
        attempt.commit(self.store)
        for credential in (one for old in ended for one in old.issued):
            self.issuer.revoke(credential.entry.idx)
        self.register.put(entry)
