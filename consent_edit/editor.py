"""The editor: one edit from request to release, in the order in which data flows. It reads top to bottom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from consent_edit.assembly import Assembled, assemble_input, assemble_output, measured_operations
from consent_edit.consultation import first_refusal, read_consents, strictest
from consent_edit.errors import CheckFailed, ConsentEditError
from consent_edit.evidence.finish import Candidate, finish
from consent_edit.gate import Finished, Gate
from consent_edit.intake.canonical import CanonicalImage
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import Perception
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines import runner
from consent_edit.pipelines.families import classify
from consent_edit.policy.decision import Decision
from consent_edit.reception import Received, receive
from consent_edit.request import EditRequest, EditResult

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
        own = PerceptionProcess(limits=operator.thresholds) if perception is None else perception
        self.perception: Perception = own
        self._gate = Gate(operator)

    def assess(self, request: EditRequest) -> Decision:
        """The exact input decision as a value, for the operator; runs no pipeline and releases nothing.

        Raises:
            InputError: the request cannot be used.
        """
        with _ours():
            received = self._receive(request)
            snapshot = self.operator.snapshot()
            return self._gate.decide(self._judge_input(request, received, snapshot), snapshot)

    def edit(self, request: EditRequest, *, cancelled: Callable[[], bool] = lambda: False) -> EditResult:
        """Edit one picture.

        Args:
            request: What is asked.
            cancelled: Asked at every denoising step; true aborts the edit.

        Returns:
            The released bytes with their receipt.

        Raises:
            InputError: the request cannot be used (``input.*``).
            EditRefused: the decision was to refuse; it stands in the log.
            Unavailable: a needed part is missing or broke (``check.*``); nothing left.
        """
        with _ours():
            received = self._receive(request)  # 1 intake, 2 perception
            snapshot = self.operator.snapshot()
            assembled = self._judge_input(request, received, snapshot)  # 3 consent, 4 policy
            clearance = self._gate.admit(assembled, snapshot, received.call_digest)  # 5 gate
        with self._gate.noting(clearance):
            pixels = runner.run(  # 6 pipelines
                self.pipeline,
                received.call,
                received.images,
                clearance,
                deadline_s=PIPELINE_DEADLINE_S,
                cancelled=cancelled,
            )
            environment = snapshot.trust.environment
            candidate = finish(pixels, environment=environment, file_format=request.file_format)  # 7 finish
            finished = self._judge_output(request, received, candidate, snapshot)  # 8 perception, 9 policy
        return self._gate.release(clearance, finished)  # 10 gate

    def close(self) -> None:
        """Stop the perception process; a later edit starts a new one."""
        self.perception.close()

    def _receive(self, request: EditRequest) -> Received:
        return receive(request, self.pipeline, self.family, self.operator, self.perception)

    def _judge_input(self, request: EditRequest, received: Received, snapshot: Snapshot) -> Assembled:
        return assemble_input(
            received.seen,
            received.prompt,
            read_consents(self.operator, request, received, received.operations, snapshot),
            received.operations,
            thresholds=strictest(snapshot),
            environment=snapshot.trust.environment,
        )

    def _judge_output(
        self, request: EditRequest, received: Received, candidate: Candidate, snapshot: Snapshot
    ) -> Finished:
        """What the decoded file shows, against the input picture, and consent as it stands now."""
        seen = self.perception.observe_image(candidate.image)
        content = CanonicalImage.of(candidate.image.pixels[: candidate.picture_rows])
        shown = replace(seen, height=content.height)  # without the band below
        change = self.perception.observe_change(received.image, content, received.seen, shown)
        current = self.operator.snapshot()
        thresholds = strictest(snapshot, current)
        asked, in_force = received.operations, (snapshot, current)
        consents = read_consents(self.operator, request, received, asked, *in_force)
        measured = measured_operations(received.seen, shown, change, consents, asked, thresholds)
        wider = read_consents(self.operator, request, received, asked | measured, *in_force)
        return Finished(
            candidate=candidate,
            observed_digest=seen.digest,
            input_digest=received.image.digest,
            trust_digest=current.trust.digest,
            assembled=assemble_output(
                received.seen,
                shown,
                received.prompt,
                change,
                first_refusal(consents, wider),
                asked | measured,
                thresholds=thresholds,
                environment=snapshot.trust.environment,
            ),
            purpose=request.purpose,
        )


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
