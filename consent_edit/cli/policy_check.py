"""``consent-edit policy check`` and ``fmt``: is it valid, is it what was meant, and is it laid out well."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import typer

from consent_edit.cli.terminal import AsJson, plain, say
from consent_edit.errors import InputError, PolicyInvalid, VerificationFailed
from consent_edit.policy.authoring.writing.lint import Lint, lint
from consent_edit.policy.authoring.writing.source_places import (
    Fault,
    Source,
    comments_of,
    faults_of,
    read_source,
)
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.engine import format_text
from consent_edit.policy.limits import MAX_FILE_BYTES
from consent_edit.policy.shipped_names import folder_of, no_policy
from consent_edit.policy.terms import Effect

_STDIN: Final = "-"
_WORDS: Final = "the facts and their words are listed in consent_edit/policy/consent_edit.cedarschema"


def check(
    *,
    policy: Annotated[str, typer.Argument(help="A policy file, its folder, or a policy that ships.")],
    strict: Annotated[bool, typer.Option("--strict", help="Exit 5 when there is a warning.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether a policy is valid, what it reads, and what in it deserves a second look."""
    source = read_source(policy)
    bundle = _valid(source)
    tested = any(source.path.parent.glob("tests/*.test.yaml"))
    warnings = lint(bundle, tested=tested, narrowing=source.jurisdiction)
    if as_json:
        typer.echo(json.dumps(_as_json(source, bundle, warnings)))
    else:
        for line in _lines(source, bundle, warnings):
            typer.echo(plain(line))
    if strict and warnings:
        raise typer.Exit(VerificationFailed.exit_code)


def _valid(source: Source) -> PolicyBundle:
    """The policy, if it is valid; if not, every fault with its place."""
    try:
        return PolicyBundle.foreign(source.text, name=source.name)
    except PolicyInvalid as error:
        faults = faults_of(source.text)
        if not faults:
            raise PolicyInvalid(f"{source.path}: {error.message}", remedy=error.remedy) from error
        told = "\n".join(_place(source.path, fault) for fault in faults)
        remedies = dict.fromkeys(fault.remedy or _WORDS for fault in faults)
        raise PolicyInvalid(told, remedy="; ".join(remedies)) from error


def _place(path: Path, fault: Fault) -> str:
    return f"{path}:{fault.line}:{fault.column}: {fault.message}\n    {fault.source}"


def _as_json(source: Source, bundle: PolicyBundle, warnings: tuple[Lint, ...]) -> dict[str, object]:
    return {
        "policy": source.name,
        "file": str(source.path),
        "digest": bundle.digest,
        "rules": [{"id": rule.id, "effect": rule.effect.value} for rule in bundle.rules],
        "reads": list(bundle.reads),
        "warnings": [
            {"rule": warning.rule, "message": warning.message, "remedy": warning.remedy}
            for warning in warnings
        ],
    }


def _lines(source: Source, bundle: PolicyBundle, warnings: tuple[Lint, ...]) -> list[str]:
    lines = [f"{source.name} is valid", f"  digest  {bundle.digest}"]
    for effect in Effect:
        ids = ", ".join(rule.id for rule in bundle.rules if rule.effect is effect)
        lines.append(f"  {effect.value:<6}  {ids or 'nothing'}")
    lines.append(f"  reads   {', '.join(bundle.reads) or 'nothing'}")
    return [*lines, *_told(warnings)]


def _told(warnings: tuple[Lint, ...]) -> Iterator[str]:
    """Each kind of warning once, with the rules it is about and the next step."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for warning in warnings:
        kinds.setdefault((warning.message, warning.remedy), []).append(warning.rule)
    for (message, remedy), rules in kinds.items():
        about = ", ".join(rule for rule in rules if rule)
        yield f"warning: {about}: {message}" if about else f"warning: {message}"
        yield f"  what to do: {remedy}"


def fmt(
    *,
    policy: Annotated[str, typer.Argument(metavar="PATH", help="A policy file or its folder; - for stdin.")],
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 5 when something would change.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Lay a policy out the one way. Comments stay, and it decides and explains as before."""
    source = _stdin() if policy == _STDIN else _file(policy)
    laid_out = _laid_out(source)
    changes = laid_out != source.text
    if policy == _STDIN and not only_check and not as_json:
        typer.echo(laid_out, nl=False)
        return
    if changes and not only_check and policy != _STDIN:
        _replace(source.path.resolve(), laid_out)
    would = "would change" if only_check else "laid out"
    sentence = f"{source.path}: {would if changes else 'nothing to change'}"
    facts: dict[str, object] = {"file": str(source.path), "changed": changes}
    say(as_json, facts | ({"text": laid_out} if policy == _STDIN else {}), sentence)
    if changes and only_check:
        raise typer.Exit(VerificationFailed.exit_code)


def _file(place: str) -> Source:
    """A file that lies where it was named: what ships is nobody's to write."""
    remedy = "name a policy file or its folder"
    if not place or not Path(place).exists():
        if folder_of(place):
            raise PolicyInvalid(f"{place} ships with the package and is nobody's to lay out", remedy=remedy)
        raise no_policy(place, remedy)
    return read_source(place)


def _stdin() -> Source:
    raw = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyInvalid("stdin: not UTF-8") from error
    return Source("stdin", Path(_STDIN), text)


def _laid_out(source: Source) -> str:
    """The text laid out, if it still means the same and says the same beside the rules.

    Raises:
        PolicyInvalid: the text is not valid, laid out or not.
        InputError: laying it out would change what it means, or lose a comment.
    """
    before = _valid(source)
    text = format_text(source.text)
    try:
        same = PolicyBundle.from_text(text, name=source.name).digest == before.digest
    except PolicyInvalid as error:
        raise PolicyInvalid(f"{source.path}: laid out, it is not valid: {error.message}") from error
    if not same or comments_of(text) != comments_of(source.text):
        raise InputError(
            f"{source.path}: it cannot be laid out without a loss, so nothing was written",
            code="input.policy",
            remedy="move comments out of the rules, to the line above them",
        )
    return text


def _replace(file: Path, text: str) -> None:
    """Put the text in the file's place, whole or not at all, under the file's own mode.

    Raises:
        InputError: the folder cannot be written.
    """
    aside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("x", encoding="utf-8", newline="") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        shutil.copymode(file, aside)
        aside.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
        raise InputError(f"cannot write {file}: {error.strerror}", code="input.file") from error
