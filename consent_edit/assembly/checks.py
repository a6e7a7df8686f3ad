"""Which checks really ran, and the codes of those that gave no answer (G4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from consent_edit.encoding import JsonValue
from consent_edit.perception.observation import CheckRun
from consent_edit.policy.codes import check_code
from consent_edit.vocabulary import CheckName, CheckOutcome


def failures(runs: Sequence[CheckRun], required: frozenset[CheckName]) -> Iterable[str]:
    """Codes of required checks that are absent, gave no answer, or ran a model without its self-test."""
    by_name: dict[CheckName, list[CheckRun]] = {name: [] for name in required}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    for name in sorted(by_name):
        outcomes = [run.outcome for run in by_name[name]] or [CheckOutcome.MISSING]
        bad = next((outcome for outcome in outcomes if outcome is not CheckOutcome.RAN), None)
        if bad is not None:
            yield check_code(name, bad)
        elif not _self_tested(by_name[name]):
            yield check_code(name, CheckOutcome.FAILED)


def _self_tested(runs: Sequence[CheckRun]) -> bool:
    """Whether every model passed its self-test; a check that names no model has none to show for itself."""
    models = [model for run in runs for model in run.models]
    return bool(models) and all(model.self_test for model in models)


def described(run: CheckRun) -> Mapping[str, JsonValue]:
    """A run as plain JSON, for records and receipts."""
    return {
        "name": run.name.value,
        "outcome": run.outcome.value,
        "models": [
            {
                "role": model.role,
                "sha256": model.sha256,
                "threshold": model.threshold,
                "self_test": model.self_test,
                "runtime": model.runtime,
            }
            for model in run.models
        ],
    }
