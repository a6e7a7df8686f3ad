"""The gate: admits an edit to the pipeline, and releases a finished file. Nothing else does either.

``admit`` writes the admission down and gives the only thing the pipeline runner accepts, a
:class:`Clearance`, for one call over one set of pixels. ``release`` re-runs the floor, asks for the meet of
what was in force at admission and what is in force now, writes log entry, decision record and use counts in
one transaction; then, and only then, hands out bytes. A refusal is written down before it is raised; if it
cannot be written, that is an error, and still no release.

Release, refusal or break: whatever ends an admitted edit bears the name its admission gave it, and is written
once. What a process that ended left open, the next one's gate closes (``store.journal``).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from consent_edit.assembly import Assembled
from consent_edit.clearance import SEAL, Clearance
from consent_edit.consent.proof import Proven
from consent_edit.consultation import standing
from consent_edit.encoding import canonical_json
from consent_edit.errors import (
    CheckFailed,
    ConsentInvalid,
    EditRefused,
    InputError,
    StoreUnavailable,
    Unavailable,
)
from consent_edit.evidence.finish import OUTPUT_LIMITS, Candidate
from consent_edit.evidence.log import Event, SaltedLeaf, log_release
from consent_edit.evidence.receipt import describe_release, sign_receipt
from consent_edit.intake.decode import decode
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import Origin
from consent_edit.policy import floor
from consent_edit.policy.decision import Decision, decide, meet, public_view
from consent_edit.policy.shadow import Overheard, overheard
from consent_edit.recording import (
    draft_release,
    people,
    record_of,
    write_admission,
    write_break,
    write_unreleased,
)
from consent_edit.request import EditResult
from consent_edit.store.journal import CLOSED
from consent_edit.store.ledger import LogEntry
from consent_edit.store.merkle import leaf_hash
from consent_edit.vocabulary import ConsentStatus, Purpose, Stage

_BROKE_OFF: Final = "check.edit-failed"
_BREAK_CODE: Final = re.compile(r"(?:input|check)\.[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What is asked to be released: the file, and what was seen of it.

    Attributes:
        candidate: The encoded file with the picture decoded from it.
        observed_digest: Digest of the picture that the output checks looked at.
        input_digest: Digest of the picture that was handed in.
        edited_digest: Digest of the picture that was edited: another where a remedy changed it before.
        picture_digests: Digests of the further pictures, in the order of the request.
        trust_digest: Digest of the trust list that consent was last read under.
        thresholds_digest: Digest of the thresholds in force when the output was compared with its people.
        proof: Whose key signed for the request, to be spent with the release.
        assembled: Facts of the output stage, with the consents as read just now.
        origin: The first picture of the chain of edits that the output is the newest of.
        likenesses: What the file looks like, with the band below and without: 32 bytes each.
    """

    candidate: Candidate
    observed_digest: str
    input_digest: str
    edited_digest: str
    picture_digests: tuple[str, ...]
    trust_digest: str
    thresholds_digest: str
    assembled: Assembled
    purpose: Purpose
    proof: Proven
    origin: Origin
    likenesses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """Admission and release for one operator.

    Raises:
        StoreUnavailable: edits that earlier processes left open cannot be closed.
    """

    operator: Operator

    def __post_init__(self) -> None:
        """Close what processes that are gone left open."""
        self.operator.store.journal.close_lost(self.operator.clock())

    def decide(self, assembled: Assembled, *snapshots: Snapshot) -> Decision:
        """The meet of the decisions under every snapshot given."""
        decisions = [
            decide(
                assembled.facts,
                snapshot.policy,
                restrictions=snapshot.restrictions,
                failed_checks=assembled.failed_checks,
                effective_checks=assembled.effective_checks,
            )
            for snapshot in snapshots
        ]
        first, *others = decisions
        for other in others:
            first = meet(first, other)
        return first

    def admit(self, assembled: Assembled, snapshot: Snapshot, call_digest: str) -> Clearance:
        """Admit a call to the pipeline.

        Args:
            call_digest: Digest over the call and the canonical pixels it was judged by.

        Raises:
            EditRefused: the input decision refuses; the refusal stands in the log.
            StoreUnavailable: the refusal, or the admission, could not be written down.
        """
        decision = self.decide(assembled, snapshot)
        if not decision.allowed or floor.judge(assembled.facts):
            self.refuse(decision, assembled, _aside(snapshot, decision))
        decision_id = secrets.token_hex(16)
        write_admission(self.operator, decision_id, decision)
        return Clearance(SEAL, call_digest, snapshot, decision, decision_id)

    def assessed(self, assembled: Assembled, snapshot: Snapshot) -> str:
        """Write down what would be decided at the input; nothing is admitted or can be released by it.

        Returns:
            Name of the decision record.

        Raises:
            StoreUnavailable: it could not be written.
        """
        decision_id, decision = secrets.token_hex(16), self.decide(assembled, snapshot)
        aside = _aside(snapshot, decision)
        write_unreleased(self.operator, Event.ASSESSMENT, decision_id, decision, assembled, aside)
        return decision_id

    def release(self, clearance: Clearance, finished: Finished) -> EditResult:
        """Release a finished file, or refuse.

        Raises:
            EditRefused: the meet of old and current policy refuses, or a use count ran out meanwhile.
            CheckFailed: what was checked is not what would leave, trust or the clearance is not good.
            StoreUnavailable: log, record and use counts could not be written together; nothing leaves.
        """
        with self.noting(clearance, refuses=True):
            return self._release(clearance, finished)

    def _release(self, clearance: Clearance, finished: Finished) -> EditResult:
        assembled = finished.assembled
        clearance.close()  # one try: what is refused or breaks off is not asked for again on facts grown old
        if assembled.facts.stage is not Stage.OUTPUT:
            raise CheckFailed("only output facts release", code="check.stage")
        held = self.decide(assembled, clearance.snapshot)
        # Asked before what is in force now is read, which so grows no older while a shadow thinks (G6).
        aside = _aside(clearance.snapshot, clearance.decision, held)
        current = self.current(clearance)
        decision = meet(held, self.decide(assembled, current))
        if not decision.allowed or floor.judge(assembled.facts):
            self.refuse(decision, assembled, aside, clearance)
        # G6: consent was read under the trust list in force now.
        if finished.trust_digest != current.trust.digest:
            raise CheckFailed("the trust list changed while consent was read", code="check.trust-changed")
        if finished.thresholds_digest != current.thresholds.digest:
            raise CheckFailed(
                "the thresholds changed while the output was checked", code="check.thresholds-changed"
            )
        # G5: what was checked is what leaves.
        leaving = decode(finished.candidate.data, limits=OUTPUT_LIMITS).image.digest
        if not leaving == finished.observed_digest == finished.candidate.image.digest:
            raise CheckFailed("the file is not the one that was checked", code="check.bytes-changed")
        return self._commit(clearance, decision, finished, aside)

    def refuse(
        self,
        decision: Decision,
        assembled: Assembled,
        aside: Overheard,
        clearance: Clearance | None = None,
    ) -> NoReturn:
        """Write a refusal down, then raise it.

        Args:
            aside: What the shadows said, for the record alone (G7).
            clearance: Of the admitted edit that it ends; ``None`` where none was admitted.

        Raises:
            EditRefused: always, unless
            StoreUnavailable: it could not be written.
        """
        decision_id = clearance.decision_id if clearance else secrets.token_hex(16)
        write_unreleased(
            self.operator,
            Event.REFUSAL,
            decision_id,
            decision,
            assembled,
            aside,
            closes=clearance is not None,
        )
        view = public_view(decision, assembled.boxes, pictures=assembled.pictures, tried=assembled.remedies)
        raise EditRefused(
            view.message,
            codes=view.codes,
            boxes=view.boxes,
            pictures=view.pictures,
            remedies=view.remedies,
            decision_id=decision_id,
        )

    @contextmanager
    def noting(self, clearance: Clearance, *, refuses: bool = False) -> Iterator[None]:
        """Whatever breaks off an admitted edit in here is written down, and leaves as an error of ours.

        Args:
            refuses: Whether a refusal in here is the gate's own, which stands in the log already. One that
                anything else raises has no record, and counts as a break.

        Raises:
            ConsentEditError: an ``input.*`` or ``check.*`` one as it was, else ``check.edit-failed``.
            StoreUnavailable: it could not be written.
        """
        try:
            yield
        except BaseException as error:
            named = isinstance(error, EditRefused) and error.decision_id == clearance.decision_id
            if refuses and named:
                raise
            ours = error if isinstance(error, InputError | Unavailable) else _broke_off(error)
            self._note_failure(clearance, ours.code)
            if ours is error or not isinstance(error, Exception):  # an interrupt goes on, but not unrecorded
                raise
            raise ours from error

    def _note_failure(self, clearance: Clearance, code: str) -> None:
        """So that no admission stands in the dark; free words of a pipeline's do not enter the log."""
        told = code if _BREAK_CODE.fullmatch(code) else _BROKE_OFF
        name, journal = clearance.decision_id, self.operator.store.journal
        try:
            aside = _aside(clearance.snapshot, clearance.decision)
            write_break(self.operator, name, clearance.decision, told, aside)
        except StoreUnavailable as error:
            if error.code == CLOSED:  # it ended already, and its record stands
                return
            journal.give_up(name)
            raise
        except BaseException:
            journal.give_up(name)
            raise

    def refuse_as(self, status: ConsentStatus, clearance: Clearance, assembled: Assembled) -> NoReturn:
        """Refuse with every verified consent read as ``status``.

        Raises:
            EditRefused: as :meth:`refuse`.
        """
        persons = tuple(
            replace(person, consent=status) if person.consent is ConsentStatus.VERIFIED else person
            for person in assembled.facts.persons
        )
        self.refuse_seen(replace(assembled, facts=replace(assembled.facts, persons=persons)), clearance)

    def refuse_seen(self, assembled: Assembled, clearance: Clearance) -> NoReturn:
        """Refuse an admitted edit by facts that came out while it ran.

        Raises:
            EditRefused: as :meth:`refuse`.
        """
        decision = self.decide(assembled, clearance.snapshot, self.current(clearance))
        self.refuse(decision, assembled, _aside(clearance.snapshot, clearance.decision, decision), clearance)

    def current(self, clearance: Clearance) -> Snapshot:
        """What is in force now, within the jurisdictions of the admission.

        Raises:
            PolicyInvalid: the policy in force now does not go with one of them.
        """
        return self.operator.snapshot().within(clearance.snapshot.jurisdictions)

    def _commit(
        self, clearance: Clearance, decision: Decision, finished: Finished, aside: Overheard
    ) -> EditResult:
        """Use counts, record and log entry in one transaction; then the receipt; then the bytes."""
        consents = finished.assembled.consents
        candidate = finished.candidate
        decision_id = clearance.decision_id
        subjects = {"input": finished.input_digest, "output": candidate.byte_digest}
        if finished.edited_digest != finished.input_digest:
            subjects["edited"] = finished.edited_digest
        subjects |= {f"picture.{number}": one for number, one in enumerate(finished.picture_digests)}
        subjects |= {f"grant.{number}": consent.use_id for number, consent in enumerate(consents)}
        draft = draft_release(self.operator, decision_id, decision, subjects)
        # Rehearsed as the only entry of a log: what cannot be receipted or signed burns no use.
        alone = canonical_json(draft.leaf.as_json())
        self._receipt(finished, draft, LogEntry(0, 1, leaf_hash(alone).hex(), (), alone))
        if not standing(self.operator, consents, clearance.snapshot, self.operator.snapshot()):
            self.refuse_as(ConsentStatus.REVOKED, clearance, finished.assembled)  # G6: withdrawn just now
        try:
            logged: LogEntry | ConsentStatus = log_release(
                self.operator.store,
                grants=[(consent.use_id, consent.max_uses or None) for consent in consents],
                nonces=[(finished.proof.spent_as, finished.proof.until)] if finished.proof.nonce else [],
                people=people(finished.assembled),
                record={
                    **record_of(Event.RELEASE, decision, aside, finished.assembled.remedies),
                    "admitted": clearance.decision.to_record(),
                },
                draft=draft,
                origins={candidate.image.digest: finished.origin},
                likenesses={candidate.image.digest: finished.likenesses},
                closes=True,
            )
        except (
            ConsentInvalid
        ) as error:  # another release took the last use, or the proof; nothing was written
            logged = error.status
        if isinstance(logged, ConsentStatus):  # G7: out of the handler, for a chained error would say why
            self.refuse_as(logged, clearance, finished.assembled)
        receipt = self._receipt(finished, draft, logged)
        return EditResult(released=candidate.data, receipt=receipt, decision_id=decision_id)

    def _receipt(self, finished: Finished, draft: SaltedLeaf, entry: LogEntry) -> str:
        assembled = finished.assembled
        receipt = describe_release(
            candidate=finished.candidate,
            draft=draft,
            entry=entry,
            environment=assembled.facts.environment,
            consents=[(consent.issuer, consent.assurance) for consent in assembled.consents],
            trust_list_digest=finished.trust_digest,
            checks=assembled.effective_checks,
            operations=assembled.facts.operations,
            purpose=finished.purpose,
            remedies=assembled.remedies,
        )
        return sign_receipt(receipt, self.operator.receipt_key)


def _broke_off(error: BaseException) -> CheckFailed:
    return CheckFailed(f"the edit broke off with {type(error).__name__}", code=_BROKE_OFF)


def _aside(snapshot: Snapshot, *decisions: Decision) -> Overheard:
    """What the shadows say to decisions of one edit; it changes none of them."""
    return overheard(snapshot.shadows, snapshot.jurisdictions, *decisions)
