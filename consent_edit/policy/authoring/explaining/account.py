"""A decision told to a person: which rule refuses whom, whose rule it is, and what would make it allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from consent_edit.errors import InputError
from consent_edit.policy.authoring.explaining.fact_phrases import STAGES, changes_words, person_words
from consent_edit.policy.authoring.explaining.nearest_change import Nearest, nearest_change
from consent_edit.policy.bundle import PolicyBundle
from consent_edit.policy.codes import NOT_PERMITTED, family
from consent_edit.policy.decision import Decision
from consent_edit.policy.digests import floor_digest
from consent_edit.policy.explain import Language, explain
from consent_edit.policy.floor import FloorRule, judge
from consent_edit.policy.restriction import RESTRICTION_PREFIX

_UNBENDING: Final = frozenset(
    {
        FloorRule.NUDITY_OF_REAL_PERSON.value,
        FloorRule.SEXUAL_INTENT.value,
        FloorRule.SEXUALISED_MINOR.value,
    }
)
"""Rules of the floor that no consent weighs against."""

WHOSE: Final[Mapping[str, tuple[str, str]]] = {
    "floor": ("the floor's, which nobody can change", "celle du socle, que personne ne peut modifier"),
    "unbending": (
        "the floor's, which nobody can change: no consent, policy or setting counts against it",
        "celle du socle, que personne ne peut modifier : ni consentement, ni politique, ni réglage "
        "n'y change rien",
    ),
    "operator": (
        "the operator's: rule `{name}` of policy {policy}",
        "celle de l'exploitant : règle « {name} » de la politique {policy}",
    ),
    "unpermitted": (
        "the operator's: no rule of policy {policy} permits this",
        "celle de l'exploitant : aucune règle de la politique {policy} ne l'autorise",
    ),
    "restriction": (
        "the operator's: restriction `{name}`, code of the operator's own",
        "celle de l'exploitant : restriction « {name} », un programme qui lui est propre",
    ),
    "consent": ("the state of this consent", "l'état de ce consentement"),
    "check": ("a check that gave no answer", "un contrôle resté sans réponse"),
    "input": ("what was handed in", "ce qui a été fourni"),
}
TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "allowed": ("allowed {stage}", "autorisé {stage}"),
    "refused": ("refused {stage}", "refusé {stage}"),
    "nobody": ("the edit as a whole", "la retouche dans son ensemble"),
    "everybody": ("everybody in the picture", "toutes les personnes de la photo"),
    "whose": ("whose rule", "règle"),
    "remedy": ("what helps", "que faire"),
    "part": (
        "decision {at} of {many}, under policy {policy}",
        "décision {at} sur {many}, politique {policy}",
    ),
}
NEAREST: Final[Mapping[str, tuple[str, str]]] = {
    "reach": ("It would be allowed {clauses}", "La retouche serait autorisée {clauses}"),
    "picture": (
        "It takes another picture or another edit; no consent or setting changes this. It would be allowed "
        "only {clauses}",
        "Il faut une autre photo ou une autre retouche ; aucun consentement ni réglage n'y change rien. La "
        "retouche ne serait autorisée que {clauses}",
    ),
    "mixed": (
        "It takes another picture or another edit; no consent or setting alone changes this. It would be "
        "allowed only {clauses}",
        "Il faut une autre photo ou une autre retouche ; un consentement ou un réglage n'y suffit pas. La "
        "retouche ne serait autorisée que {clauses}",
    ),
    "none": (
        "It takes another picture or another edit; no consent or setting changes this.",
        "Il faut une autre photo ou une autre retouche ; aucun consentement ni réglage n'y change rien.",
    ),
    "budget": (
        "No change that would do was found in the search; another picture or another edit is needed.",
        "La recherche n'a trouvé aucun changement suffisant ; il faut une autre photo ou une autre retouche.",
    ),
    "unknown": (
        "The policy is not at hand, so the nearest change is not known; name it with --policy.",
        "La politique n'est pas disponible, le changement le plus proche est donc inconnu ; indiquez-la avec "
        "--policy.",
    ),
    "checks": (
        "The checks that gave no answer must answer first.",
        "Les contrôles restés sans réponse doivent d'abord répondre.",
    ),
    "restriction": (
        "The operator's own restriction must agree as well; it is code, and cannot be told beforehand.",
        "La restriction propre à l'exploitant doit aussi l'admettre ; c'est un programme, dont la réponse "
        "ne peut être prédite.",
    ),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One code, told.

    Attributes:
        code: Which.
        persons: Indices of those it fell on; none: the edit as a whole.
        who: The same in words.
        sentence: What happened.
        source: ``floor``, ``operator``, ``restriction``, ``consent``, ``check`` or ``input``.
        whose: The same in words.
        remedy: The next step.
    """

    code: str
    persons: tuple[int, ...]
    who: str
    sentence: str
    source: str
    whose: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Account:
    """A decision, told.

    Attributes:
        title: Allowed or refused, and where.
        findings: Every code; none when allowed.
        nearest: The nearest change; ``None`` where the policy is not at hand, or for a meet.
        advice: The same in words, a sentence each; several changes stand below theirs, one a line.
        parts: Of a meet, its parts.
        part_titles: What each part is.
    """

    title: str
    findings: tuple[Told, ...]
    nearest: Nearest | None
    advice: tuple[str, ...]
    parts: tuple[Account, ...] = ()
    part_titles: tuple[str, ...] = ()


def check_record(decision: Decision) -> None:
    """Require that a recorded decision agrees with its own facts, part by part.

    Raises:
        InputError: a finding falls on nobody, or, under the floor of this release, the floor's findings are
            not those that its facts give.
    """
    everybody = range(len(decision.facts.persons))
    if any(finding.person not in everybody for finding in decision.findings):
        raise InputError("the decision record names a person it does not hold", code="input.record")
    if decision.floor_digest == floor_digest():
        found = {(finding.rule.value, finding.person) for finding in judge(decision.facts)}
        told = {(one.code, one.person) for one in decision.findings if family(one.code) == "floor"}
        if not found <= told or not (decision.met or told <= found):
            raise InputError(
                "the decision record does not say what the floor says of its facts", code="input.record"
            )
    for part in decision.met:
        check_record(part)


def account(
    decision: Decision, policy_of: Callable[[Decision], PolicyBundle | None], language: Language
) -> Account:
    """Tell a decision.

    Args:
        decision: What was decided.
        policy_of: Gives the policy that a decision was taken with, or ``None`` where it is not at hand.
        language: ``en`` or ``fr``.
    """
    french = language == "fr"
    stage = STAGES[decision.stage.value][french]
    title = TITLES["allowed" if decision.allowed else "refused"][french].format(stage=stage)
    if decision.met:
        parts = tuple(account(part, policy_of, language) for part in decision.met)
        titles = tuple(
            TITLES["part"][french].format(at=at + 1, many=len(parts), policy=part.policy)
            for at, part in enumerate(decision.met)
        )
        return Account(title, (), None, (), parts, titles)
    findings = tuple(_told(decision, code, language) for code in decision.codes)
    if decision.allowed:
        return Account(title, findings, None, ())
    bundle = policy_of(decision)
    if bundle is None:
        return Account(title, findings, None, (NEAREST["unknown"][french],))
    nearest = nearest_change(decision.facts, bundle)
    return Account(title, findings, nearest, _advice(decision, nearest, language))


def _told(decision: Decision, code: str, language: Language) -> Told:
    french = language == "fr"
    said = explain(code, language, decision.texts)
    persons = tuple(dict.fromkeys(one.person for one in decision.findings if one.code == code))
    if not persons:
        who = TITLES["nobody"][french]
    elif len(persons) == len(decision.facts.persons) > 1:
        who = TITLES["everybody"][french]
    else:
        who = (" et " if french else " and ").join(
            person_words(decision.facts, index, language) for index in persons
        )
    source = _source(code)
    name = code.removeprefix(RESTRICTION_PREFIX).removeprefix("policy.")
    whose = WHOSE[source][french].format(name=name, policy=decision.policy)
    public = {"unbending": "floor", "unpermitted": "operator"}.get(source, source)
    return Told(code, persons, who, said.sentence, public, whose, said.remedy)


def _source(code: str) -> str:
    if code in _UNBENDING:
        return "unbending"
    if code == NOT_PERMITTED:
        return "unpermitted"
    if code.startswith(RESTRICTION_PREFIX):
        return "restriction"
    return "operator" if family(code) == "policy" else family(code)


def _advice(decision: Decision, nearest: Nearest, language: Language) -> tuple[str, ...]:
    french = language == "fr"
    clauses = changes_words(decision.facts, nearest.changes, language) if nearest.changes else ""
    if not nearest.found:
        kind = "none" if nearest.searched else "budget"
    elif nearest.another_picture:
        kind = "picture" if nearest.only_picture else "mixed"
    else:
        kind = "reach"
    said = [] if nearest.allowed else [NEAREST[kind][french].format(clauses=clauses)]
    if any(family(code) == "check" for code in decision.codes):
        said.insert(0, NEAREST["checks"][french])
    if any(code.startswith(RESTRICTION_PREFIX) for code in decision.codes):
        said.append(NEAREST["restriction"][french])
    return tuple(said)
