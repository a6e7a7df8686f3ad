"""Policies of an operator's folder: which is in force, which are watched, and whose hands are on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consent_edit.errors import InputError, PolicyInvalid
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.policy_file import PolicyFile
from consent_edit.policy.shipped_names import POLICY_FILE

CUSTOM: Final = "custom"
"""In place of a shipped policy's name: the folder's own ``policy.cedar``, read again whenever it changes."""

_SHADOWS: Final = "shadows"
_CEDAR: Final = ".cedar"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Policies chosen for a new folder.

    Attributes:
        policy: What the settings name.
        shadows: What the settings name.
        files: Name in the folder and text of each that is copied in.
    """

    policy: str
    shadows: tuple[str, ...]
    files: tuple[tuple[str, str], ...]


def choose(policy: str | Path, shadows: Sequence[str | Path], jurisdictions: Sequence[str]) -> Chosen:
    """Read policies for a new folder: shipped ones by name, others to be copied in.

    Raises:
        InputError: one does not hold, does not go with a jurisdiction, or two copies would have one name.
    """
    live, beside = _given(policy), [_given(shadow) for shadow in shadows]
    check_together((live, *beside), jurisdictions)
    named: list[str] = []
    files: dict[str, str] = {POLICY_FILE: live.text} if isinstance(policy, Path) else {}
    for given, bundle in zip(shadows, beside, strict=True):
        name = f"{_SHADOWS}/{bundle.name}{_CEDAR}" if isinstance(given, Path) else given
        if name in named:
            raise InputError(
                f"two shadows are called {bundle.name}",
                code="input.operator",
                remedy="give one of the files another name",
            )
        named.append(name)
        if isinstance(given, Path):
            files[name] = bundle.text
    return Chosen(CUSTOM if isinstance(policy, Path) else policy, tuple(named), tuple(files.items()))


def _given(policy: str | Path) -> PolicyBundle:
    return PolicyBundle.load(policy.resolve()) if isinstance(policy, Path) else PolicyBundle.shipped(policy)


def policy_of(folder: Path, name: str, jurisdictions: Sequence[str]) -> PolicyBundle | PolicyFile:
    """The policy that the settings name.

    Raises:
        PolicyInvalid: there is none, it does not hold, or does not go with a jurisdiction.
    """
    if name != CUSTOM:
        return PolicyBundle.shipped(name)
    return PolicyFile(folder / POLICY_FILE, _laid_over(jurisdictions))


def _laid_over(jurisdictions: Sequence[str]) -> list[Narrowing]:
    return [Narrowing.jurisdiction(code) for code in dict.fromkeys(jurisdictions)]


def shadow_of(folder: Path, entry: str) -> PolicyBundle:
    """A shadow that the settings name: shipped, or a file or folder inside of the operator's.

    Args:
        entry: A shipped name; or a path from the folder, which has a slash or ends in ``.cedar``.

    Raises:
        InputError: there is none, it does not hold, it lies outside, or others than its owner can write it.
    """
    if "/" not in entry and not entry.endswith(_CEDAR):
        return PolicyBundle.shipped(entry)
    way = Path(entry)
    if way.is_absolute() or ".." in way.parts:
        raise InputError(
            f"the shadow {entry} lies outside of the operator's folder",
            code="input.operator",
            remedy=f"copy it into {folder} and name it by its path from there",
        )
    steps = [str(step) for step in (way, *way.parents) if step != Path()]
    refuse_foreign_hands(folder, (*steps, str(way / POLICY_FILE)))
    return PolicyBundle.load(folder / way)


def check_together(bundles: Iterable[PolicyBundle], jurisdictions: Sequence[str]) -> None:
    """Every jurisdiction exists and goes with every policy: better said now than at the first edit.

    Raises:
        InputError: it does not.
    """
    laid_over = _laid_over(jurisdictions)  # one that is not known is said as such
    for bundle in bundles:
        try:
            bundle.narrowed(laid_over)
        except PolicyInvalid as error:
            raise InputError(
                f"the policy {bundle.name} does not go with {', '.join(jurisdictions)}: {error.message}",
                code="input.operator",
                remedy="give the policy's rule another @id, or take the jurisdiction out",
            ) from error


def refuse_foreign_hands(folder: Path, names: Iterable[str]) -> None:
    """Whoever can write these files, or put others in their place, decides whose word is consent here.

    Raises:
        InputError: others than its owner can write one, or the folder.
    """
    for path in (folder, *(folder / name for name in names)):
        if path.exists() and path.stat().st_mode & 0o022:
            raise InputError(
                f"{path} can be written by others than its owner",
                code="input.operator",
                remedy=f"see that nobody changed it, then: chmod go-w {path}",
            )
