"""``consent-edit policy test``: run a policy's test files, and say what came instead of what was expected."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Annotated

import typer

from consent_edit.cli.terminal import AsJson, plain
from consent_edit.errors import VerificationFailed
from consent_edit.policy.authoring.cases.case_files import find, read
from consent_edit.policy.authoring.cases.case_runs import CaseResult, Report, run
from consent_edit.policy.codes import policy_code
from consent_edit.policy.explain import explain

_PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="Test files, folders, or names of policies that ship."),
]


def test(*, paths: _PathsArgument = None, as_json: AsJson = False) -> None:
    """Run every case of the *.test.yaml files; by default those below this folder. Exits 5 if one fails."""
    report = run([read(path) for path in find(paths or ["."])])
    if as_json:
        typer.echo(json.dumps(_as_json(report)))
    else:
        for line in _lines(report):
            typer.echo(plain(line))
    if report.failed:
        raise typer.Exit(VerificationFailed.exit_code)


def _as_json(report: Report) -> dict[str, object]:
    return {
        "passed": len(report.results) - len(report.failed),
        "failed": len(report.failed),
        "cases": [_case_as_json(result) for result in report.results],
        "rules_without_a_case": [{"policy": of, "rule": rule} for of, rule in report.without_a_case],
    }


def _case_as_json(result: CaseResult) -> dict[str, object]:
    return {
        "file": str(result.path),
        "name": result.name,
        "policy": result.policy,
        "passed": result.passed,
        "allowed": result.allowed,
        "codes": list(result.codes),
        "missing_codes": list(result.missing),
        "unexpected_codes": list(result.unexpected),
        "explain": shlex.join(("consent-edit", *result.explain)),
        "determining": list(result.determining),
        "not_determining": list(result.not_determining),
        "determining_too": list(result.determining_too),
    }


def _lines(report: Report) -> list[str]:
    lines = [line for result in report.failed for line in _difference(result)]
    failed = len(report.failed)
    lines.append(f"{len(report.results) - failed} passed, {failed} failed")
    policies = dict.fromkeys(policy for policy, _ in report.without_a_case)
    for policy in policies:
        ids = ", ".join(rule for of, rule in report.without_a_case if of == policy)
        lines.append(f"rules without a case in {policy}: {ids}")
    return lines


def _difference(result: CaseResult) -> list[str]:
    """What was expected, what came of it, each rule with its sentence, and how to look into it."""
    lines = [f"FAILED {result.path}: {result.name}"]
    lines += _told("expected", result.expected_allowed, result.expected or (), result)
    lines += _told("got", result.allowed, result.codes, result)
    lines += [f"  not decided by {_rule(policy_code(rule), result)}" for rule in result.not_determining]
    lines += [f"  also decided by {_rule(policy_code(rule), result)}" for rule in result.determining_too]
    lines.append(f"  look into it: consent-edit {shlex.join(result.explain)}")
    return lines


def _told(what: str, allowed: bool, codes: Sequence[str], result: CaseResult) -> list[str]:
    if allowed or not codes:
        return [f"  {what:<9} {'allowed' if allowed else 'refused'}"]
    heads = (what, *[""] * len(codes))
    return [f"  {head:<9} refused: {_rule(code, result)}" for head, code in zip(heads, codes, strict=False)]


def _rule(code: str, result: CaseResult) -> str:
    return f"{code}: {explain(code, texts=result.texts).sentence}"
