"""The editor: one edit from request to release, in the order in which data flows. It reads top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from consent_edit.assembly import Assembled
from consent_edit.clearance import Clearance
from consent_edit.consent.query import ConsentResult
from consent_edit.consultation import standing
from consent_edit.errors import CheckFailed, ConsentEditError
from consent_edit.evidence.finish import finish
from consent_edit.gate import Gate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.judgement import Judge
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import Perception
from consent_edit.perception.operator.checks import with_operator_models
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import classify
from consent_edit.pipelines.watch import CANCELLED, Progress
from consent_edit.policy.decision import Decision
from consent_edit.reception import Received, receive
from consent_edit.request import EditRequest, EditResult
from consent_edit.vocabulary import ConsentStatus

PIPELINE_DEADLINE_S = 600.0
"""A run is aborted at its next step after this long; a hung pipeline must not hold a clearance for ever."""


class ConsentEditor:
    """Wraps a diffusers editing pipeline; an edit leaves only with the consent of everyone it shows.

    Args:
        pipeline: A pipeline of a covered family (``consent_edit.pipelines.families``).
        operator: Trust, policy, keys and store it runs under.
        perception: What looks and reads; by default a process of its own, started here.

    Raises:
        ArgumentRejected: the pipeline's class is not covered, or it carries adapters.
    """

    def __init__(self, pipeline: object, operator: Operator, *, perception: Perception | None = None) -> None:
        self.family = classify(pipeline)
        self.pipeline = pipeline
        self.operator = operator
        own = _perception(operator) if perception is None else perception
        self.perception: Perception = own
        self._gate = Gate(operator)
        self._judge = Judge(operator, own)

    def assess(self, request: EditRequest) -> Decision:
        """The exact input decision as a value, for the operator; runs no pipeline and releases nothing.

        Raises:
            InputError: the request cannot be used.
        """
        with _ours():
            _, snapshot, assembled = self._before(request)
            return self._gate.decide(assembled, snapshot)

    def audit(self, request: EditRequest) -> str:
        """The exact input decision, written down; for live traffic before edits are switched on.

        No pipeline runs and nothing leaves; no use is counted and no proof spent.

        Returns:
            Name of the decision record (``Operator.decision``), admitted or refused.

        Raises:
            InputError: the request cannot be used.
            StoreUnavailable: it could not be written.
        """
        with _ours():
            _, snapshot, assembled = self._before(request)
            return self._gate.assessed(assembled, snapshot)

    def edit(
        self,
        request: EditRequest,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Progress = lambda step, total: None,
    ) -> EditResult:
        """Edit one picture.

        Args:
            request: What is asked.
            cancelled: Asked at every denoising step; true aborts the edit.
            progress: Told of every denoising step done, which it was and of how many, and nothing else.

        Returns:
            The released bytes with their receipt.

        Raises:
            InputError: the request cannot be used (``input.*``).
            EditRefused: the decision was to refuse; it stands in the log.
            Unavailable: a needed part is missing or broke (``check.*``); nothing left.
        """
        with _ours():
            received, snapshot, assembled = self._before(request)  # 1 to 4
            clearance = self._gate.admit(assembled, snapshot, received.call_digest)  # 5 gate
        environment = snapshot.trust.environment
        with self._gate.noting(clearance):
            made = self._run(received, clearance, assembled.consents, cancelled, progress)  # 6 pipelines
            for pixels in made:
                candidate = finish(
                    pixels, environment=environment, file_format=request.file_format
                )  # 7 finish
                finished = self._judge.after(request, received, candidate, snapshot)  # 8 perception, 9 policy
        if not made:
            with self._gate.noting(clearance, refuses=True):
                self._gate.refuse_as(ConsentStatus.REVOKED, clearance, assembled)
        return self._gate.release(clearance, finished)  # 10 gate

    def _run(
        self,
        received: Received,
        clearance: Clearance,
        consents: Sequence[ConsentResult],
        cancelled: Callable[[], bool],
        progress: Progress,
    ) -> tuple[CanonicalImage, ...]:
        """The one picture made; none if a consent was withdrawn while the edit waited or ran (G6)."""

        def withdrawn() -> bool:
            return not standing(self.operator, consents, clearance.snapshot, self.operator.snapshot())

        if withdrawn():
            return ()
        try:
            pixels = runner.run(
                self.pipeline,
                received.call,
                received.images,
                clearance,
                deadline_s=PIPELINE_DEADLINE_S,
                cancelled=lambda: cancelled() or withdrawn(),
                progress=progress,
            )
        except CheckFailed as error:
            if error.code == CANCELLED and withdrawn():
                return ()
            raise
        return (pixels,)

    def _before(self, request: EditRequest) -> tuple[Received, Snapshot, Assembled]:
        """1 intake, 2 perception; 3 consent and 4 policy under what is in force now."""
        received = receive(request, self.pipeline, self.family, self.operator, self.perception)
        snapshot = self.operator.snapshot().within(request.jurisdictions)
        return received, snapshot, self._judge.before(request, received, snapshot)

    def close(self) -> None:
        """Stop the perception process; a later edit starts a new one."""
        self.perception.close()


def _perception(operator: Operator) -> PerceptionProcess:
    """The must-run checks in a process of their own, with the operator's models beside them."""
    build = with_operator_models(operator.models)
    return PerceptionProcess(build=build, limits=lambda: operator.thresholds)


@contextmanager
def _ours() -> Iterator[None]:
    """No foreign exception leaves, whatever a host's perception, clock or store raises."""
    try:
        yield
    except ConsentEditError:
        raise
    except Exception as error:
        raise CheckFailed(
            f"the edit broke off with {type(error).__name__}", code="check.edit-failed"
        ) from error
