"""Whose face is it: 1:few, against the templates presented with the request and nothing else.

One public embedder is no boundary (an invisible perturbation makes it take a stranger for the attacker), so a
face is matched only if *every* embedder role named in the thresholds accepts it against its own template,
and there must be two roles at least. Whatever is missing, of a wrong shape or not of unit norm is a face
not matched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from consent_edit.consent.templates import is_unit
from consent_edit.errors import CheckFailed
from consent_edit.vocabulary import IdentityKept

MIN_ROLES: Final = 2
"""Independent embedder families that must agree."""

VIEW_SLACK: Final = 0.1
"""How far the worst view may lie beyond the threshold, as a share of the distance ``1 - threshold``.

The views are resamplings of one face, so a face that is truly matched passes in all of them, nearly; one
that passes in some and fails clearly in others is on the edge or was worked on. A share of the distance,
not a fixed cosine, because the embedders' scales differ: at thresholds .45 and .875 it allows .055 and
.0125 below.
"""


_NOTHING_LAXER: Final[Mapping[str, float]] = MappingProxyType({})


class MatchOutcome(StrEnum):
    """Whether exactly one reference is accepted, none, or several."""

    MATCHED = "matched"
    NONE = "none"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One face of a picture.

    Attributes:
        embeddings: Role of embedder -> float32 (views, dim), rows of unit norm.
    """

    embeddings: Mapping[str, NDArray[np.float32]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Match:
    """Whose face a probe is.

    Attributes:
        outcome: Only ``MATCHED`` says whose face it is.
        reference: Index into the references; one past their end unless matched, so that it cannot be used
            unasked.
        scores: Role -> comparison score (median cosine over the views) against that reference; empty
            without one.
    """

    outcome: MatchOutcome
    reference: int
    scores: Mapping[str, float]


def match_faces(
    probes: Sequence[Probe],
    references: Sequence[Mapping[str, NDArray[np.float32]]],
    thresholds: Mapping[str, float],
) -> tuple[Match, ...]:
    """Match every probe against the few references presented.

    Args:
        probes: Faces of a picture, in order.
        references: Per person presented: role -> (dim,) float32 template of unit norm.
        thresholds: Role -> cosine at or above which that embedder accepts; its keys are the roles that
            must all accept.

    Returns:
        One match a probe, in order: a reference if exactly one is accepted by every role, ``AMBIGUOUS`` if
        more than one is, ``NONE`` otherwise.

    Raises:
        CheckFailed: fewer than two roles, or a threshold that is no cosine above 0.
    """
    _demand_roles(thresholds)
    return tuple(_match_one(probe, references, thresholds) for probe in probes)


def identity(
    probe: Probe,
    reference: Mapping[str, NDArray[np.float32]],
    thresholds: Mapping[str, float],
    keeping: Mapping[str, float] = _NOTHING_LAXER,
    others: Sequence[Mapping[str, NDArray[np.float32]]] = (),
) -> IdentityKept:
    """Whether an output face is still the person of a credential's template.

    ``SAME`` if every role accepts as matching asks. ``ALTERED`` if every role still accepts as keeping asks:
    edits wear a likeness down, and an output face is compared 1:1, with the person whose consent spoke for
    the face that stood there, so it needs to tell her from one stranger, not from many. One role alone never
    keeps anybody: whoever can fool one embedder would put a stranger's face where a consenting person's was.
    ``FOREIGN`` if any role does not, or if somebody else presented is kept as well. ``UNDETERMINED`` if any
    role's probe or template is missing or unusable.

    Args:
        probe: The output face.
        reference: Role -> template of the credential, never of the input face.
        thresholds: Role -> cosine from which matching accepts.
        keeping: Role -> cosine from which a face is kept; a role that is not named is kept where it matches.
        others: Templates of everybody else presented.

    Raises:
        CheckFailed: as :func:`match_faces`, of either mapping.
    """
    _demand_roles(thresholds)
    laxer = {role: keeping.get(role, threshold) for role, threshold in thresholds.items()}
    _demand_roles(laxer)
    if any(cosines(probe, reference, role).size == 0 for role in thresholds):
        return IdentityKept.UNDETERMINED
    if not _every_role_accepts(probe, reference, laxer):
        return IdentityKept.FOREIGN
    if _every_role_accepts(probe, reference, thresholds):
        return IdentityKept.SAME
    if any(_every_role_accepts(probe, other, laxer) for other in others):
        return IdentityKept.FOREIGN
    return IdentityKept.ALTERED


def accepted_by_all(
    probe: Probe, reference: Mapping[str, NDArray[np.float32]], thresholds: Mapping[str, float]
) -> bool:
    """Whether every role accepts the probe against its own template.

    Raises:
        CheckFailed: as :func:`match_faces`.
    """
    _demand_roles(thresholds)
    return _every_role_accepts(probe, reference, thresholds)


def roles_without_template(
    reference: Mapping[str, NDArray[np.float32]], thresholds: Mapping[str, float]
) -> frozenset[str]:
    """Roles that must accept and for which a credential holds no usable template: it can match nobody.

    So it is when an operator adds an embedder after a credential was issued. What helps is to issue it anew.
    """
    return frozenset(
        role
        for role in thresholds
        if role not in reference or reference[role].ndim != 1 or not is_unit(reference[role])
    )


def _every_role_accepts(
    probe: Probe, reference: Mapping[str, NDArray[np.float32]], thresholds: Mapping[str, float]
) -> bool:
    scores = {role: cosines(probe, reference, role) for role in thresholds}
    return all(entry.size > 0 and accepts(entry, thresholds[role]) for role, entry in scores.items())


def _match_one(
    probe: Probe, references: Sequence[Mapping[str, NDArray[np.float32]]], thresholds: Mapping[str, float]
) -> Match:
    accepted = [i for i, reference in enumerate(references) if accepted_by_all(probe, reference, thresholds)]
    match accepted:
        case []:
            return Match(MatchOutcome.NONE, len(references), {})
        case [index]:
            scores = {role: cosines(probe, references[index], role) for role in thresholds}
            return Match(
                MatchOutcome.MATCHED, index, {role: float(np.median(entry)) for role, entry in scores.items()}
            )
        case _:
            return Match(MatchOutcome.AMBIGUOUS, len(references), {})


def accepts(scores: NDArray[np.float64], threshold: float) -> bool:
    """Median over the views at or above the threshold, and no view clearly below it."""
    floor = threshold - VIEW_SLACK * (1.0 - threshold)
    return bool(np.median(scores) >= threshold and scores.min() >= floor)


def cosines(probe: Probe, reference: Mapping[str, NDArray[np.float32]], role: str) -> NDArray[np.float64]:
    """Cosine of each view with the template; empty when either is missing or unusable."""
    views, template = probe.embeddings.get(role), reference.get(role)
    nothing = np.empty(0, dtype=np.float64)
    if views is None or template is None:
        return nothing
    if views.ndim != 2 or template.ndim != 1 or views.shape[1] != template.shape[0]:
        return nothing
    if not is_unit(views) or not is_unit(template):
        return nothing
    found: NDArray[np.float64] = views.astype(np.float64) @ template.astype(np.float64)
    return found


def _demand_roles(thresholds: Mapping[str, float]) -> None:
    if len(thresholds) < MIN_ROLES:
        raise CheckFailed("matching needs two independent embedders at least")
    if not all(math.isfinite(value) and 0.0 < value <= 1.0 for value in thresholds.values()):
        raise CheckFailed("a matching threshold must be a cosine above 0")
