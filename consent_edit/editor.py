"""The editor: one edit from request to release, in the order in which data flows. It reads top to bottom."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

from consent_edit.assembly import Assembled
from consent_edit.errors import CheckFailed
from consent_edit.evidence.finish import finish
from consent_edit.gate import Gate
from consent_edit.judgement import Judge
from consent_edit.operator import Operator, Snapshot
from consent_edit.perception.observation import Perception
from consent_edit.perception.operator.checks import with_operator_models
from consent_edit.perception.process import PerceptionProcess
from consent_edit.pipelines import attended
from consent_edit.pipelines.asking import Asking, ours
from consent_edit.pipelines.attended import Admitted, Made
from consent_edit.pipelines.families import classify
from consent_edit.pipelines.loading import load
from consent_edit.pipelines.manners import Manners
from consent_edit.pipelines.preview import preview_facts
from consent_edit.pipelines.watch import CANCELLED, Progress
from consent_edit.reception import Received, receive
from consent_edit.request import EditRequest, EditResult
from consent_edit.treatment import put_back
from consent_edit.vocabulary import ConsentStatus


class ConsentEditor(Asking, Manners):
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

    @classmethod
    def from_pretrained(
        cls,
        where: str | Path,
        operator: Operator,
        *,
        perception: Perception | None = None,
        family: str = "",
        **keywords: object,
    ) -> Self:
        """An editor around a pipeline loaded here; arguments and errors as ``pipelines.loading.load``."""
        return cls(load(where, family, **keywords), operator, perception=perception)

    def edit(
        self,
        request: EditRequest,
        *,
        cancelled: Callable[[], bool] = lambda: False,
        progress: Progress = lambda step, total: None,
    ) -> EditResult:
        """Edit one picture. Threads may share an editor: its pipeline serves them one after the other.

        Args:
            request: What is asked.
            cancelled: Asked at every denoising step and before the release; true ends the edit.
            progress: Told of every denoising step done, which it was and of how many, and nothing else.

        Returns:
            The released bytes with their receipt.

        Raises:
            InputError: the request cannot be used (``input.*``).
            EditRefused: the decision was to refuse; it stands in the log.
            Unavailable: a needed part is missing or broke (``check.*``); nothing left.
        """
        admitted = self._admit(request)  # 1 intake, 2 perception, 3 consent, 4 policy, 5 gate
        made = self._make(admitted, cancelled, progress)  # 6 pipelines
        return self._release(made, cancelled)  # 7 finish, 8 perception, 9 policy, 10 gate

    def _admit(self, request: EditRequest) -> Admitted:
        with ours():
            received, snapshot, assembled = self._before(request)  # 1 to 4
            clearance = self._gate.admit(assembled, snapshot, received.call_digest)  # 5 gate
        return Admitted(request, received, assembled, clearance)

    def _make(self, admitted: Admitted, cancelled: Callable[[], bool], progress: Progress) -> Made:
        with self._gate.noting(admitted.clearance):
            here = (self.pipeline, self.operator, self.perception)
            ended = attended.run(*here, admitted, cancelled=cancelled, progress=progress)  # 6 pipelines
        if not ended.made:
            with self._gate.noting(admitted.clearance, refuses=True):
                for seen in ended.preview:
                    facts = preview_facts(admitted.assembled, seen, admitted.received.prompt.checks)
                    self._gate.refuse_seen(facts, admitted.clearance)
                self._gate.refuse_as(ConsentStatus.REVOKED, admitted.clearance, admitted.assembled)
        return ended.made[0]

    def _release(self, made: Made, cancelled: Callable[[], bool]) -> EditResult:
        request, clearance = made.admitted.request, made.admitted.clearance
        snapshot = clearance.snapshot
        with self._gate.noting(clearance):
            candidate = finish(  # 7 finish
                put_back(request, made.admitted.received, made.pixels),
                environment=snapshot.trust.environment,
                file_format=request.file_format,
            )
            finished = self._judge.after(  # 8 perception, 9 policy
                request, made.admitted.received, candidate, snapshot
            )
            if cancelled():
                raise CheckFailed("the edit was cancelled before its release", code=CANCELLED)
        return self._gate.release(clearance, finished)  # 10 gate

    def _abandon(self, admitted: Admitted) -> None:
        with suppress(CheckFailed), self._gate.noting(admitted.clearance):
            raise CheckFailed("the batch broke off", code=CANCELLED)

    def _before(self, request: EditRequest) -> tuple[Received, Snapshot, Assembled]:
        """1 intake, 2 perception; 3 consent and 4 policy under what is in force now."""
        received = receive(request, self.pipeline, self.family, self.operator, self.perception)
        snapshot = self.operator.snapshot().within(request.jurisdictions)
        received = self._judge.treated(request, received, snapshot)
        return received, snapshot, self._judge.before(request, received, snapshot)

    @property
    def _wrapped(self) -> object:
        return self.pipeline

    def close(self) -> None:
        """Stop the perception process; a later edit starts a new one."""
        self.perception.close()


def _perception(operator: Operator) -> PerceptionProcess:
    """The must-run checks in a process of their own, with the operator's models beside them."""
    build = with_operator_models(operator.models)
    return PerceptionProcess(build=build, limits=lambda: operator.thresholds)
