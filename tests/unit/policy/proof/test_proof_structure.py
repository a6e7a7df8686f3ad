"""Each way into the floor, or around it, planted in a copy of the source, is found."""

from __future__ import annotations

import pytest

from consent_edit.policy.proof.sources import package_texts
from consent_edit.policy.proof.structure import read_structure

TEXTS = package_texts()
DECISION = "consent_edit.policy.decision"
OUTCOME = "consent_edit.policy.outcome"
GATE = "consent_edit.gate"
FLOOR = "consent_edit.policy.floor"
DIGESTS = "consent_edit.policy.digests"
EDITOR = "consent_edit.editor"
ONLY = {name: TEXTS[name] for name in (EDITOR, FLOOR, DECISION, OUTCOME, GATE, DIGESTS)}
ALIAS = "from consent_edit.policy import floor\n"
TAKEN = "from consent_edit.policy.floor import RULES, judge\n"

SOMEWHERE = {
    "a floor as an argument": "def decide(facts, floor): ...",
    "a floor as a keyword": "def decide(facts, *, the_floor=None): ...",
    "a floor as a further argument": "def decide(facts, *floors): ...",
    "floors by any keyword": "def decide(facts, **floor): ...",
    "a switch for the floor": "def decide(facts, floor: bool = True): ...",
    "a mirror as an argument": "def decide(facts, mirror_text: str): ...",
    "a floor in a lambda": "decide = lambda facts, floor: None",
    "the floor's rules as an argument": "def decide(facts, rules: tuple[FloorRule, ...]): ...",
    "a rule of one's own": "def f(r: Callable[[Facts, PersonFacts, PictureAggregate], bool]): ...",
    "findings as an argument": "def decide(facts, found: 'tuple[FloorFinding, ...]'): ...",
    "a module as an argument": "def decide(facts, room: ModuleType): ...",
    "the judge as a default": TAKEN + "def decide(facts, by=judge): ...",
    "the judge as a keyword's default": ALIAS + "def decide(facts, *, by=floor.judge): ...",
    "a judge as an argument": "def decide(facts, judge): ...",
    "a field for a floor": "class Settings:\n    floor: Floor",
    "a field for rules": "class Settings:\n    rules: list[FloorRule]",
    "a field that holds the judge": TAKEN + "class Settings:\n    by: object = judge",
    "an attribute that holds the judge": ALIAS + "class Settings:\n    by = staticmethod(floor.judge)",
    "an option for a floor": "OPTION = Option('--floor')",
    "an option without the floor": "OPTION = Option('--no-floor')",
    "a variable of the environment": "import os\nPATH = os.environ.get('CONSENT_EDIT_FLOOR')",
    "the judge replaced": ALIAS + "floor.judge = lambda facts: ()",
    "the far judge replaced": "import consent_edit.policy.floor\nconsent_edit.policy.floor.judge = None",
    "the decision's judge replaced": "from consent_edit.policy import decision\ndecision.judge = None",
    "the rules taken out": ALIAS + "del floor.RULES",
    "a rule replaced": TAKEN + "RULES[0] = None",
    "the floor's names replaced": ALIAS + "floor.__dict__['judge'] = None",
    "the judge among the globals": "globals()['judge'] = None",
    "the decision's names replaced": "from x import decision\ndecision.__dict__['judge'] = None",
    "the judge shadowed": TAKEN + "def f():\n    judge = None",
    "the floor shadowed": ALIAS + "floor = None",
    "the judge set by name": "import x\nsetattr(x, 'judge', None)",
    "something set on the floor": ALIAS + "setattr(floor, name, None)",
    "the floor's names updated": ALIAS + "vars(floor).update(judge=None)",
    "the floor loaded again": ALIAS + "import importlib\nimportlib.reload(floor)",
    "the floor found by name": "import sys\nsys.modules['consent_edit.policy.floor']",
    "the mirror read": "from pathlib import Path\nTEXT = Path('floor.cedar').read_text()",
    "its file": "from consent_edit.policy import digests\nT = digests.MIRROR_FILE.open()",
    "an edit that imports the proof": "from consent_edit.policy.proof import table",
    "an edit that imports it late": "def f():\n    import consent_edit.policy.proof.solver.rules",
    "an edit that imports what authors use": "from consent_edit.policy.authoring.cases import case_runs",
    "an edit that imports the proof by name": "NAME = 'consent_edit.policy.proof.solver.rules'",
}


@pytest.mark.parametrize("what", sorted(SOMEWHERE))
def test_planted_somewhere_it_is_found(what: str) -> None:
    """One line in the editor is one finding there at least; without it the editor is clean."""
    assert read_structure(ONLY).found == ()
    planted = read_structure({**ONLY, EDITOR: f"{TEXTS[EDITOR]}\n{SOMEWHERE[what]}\n"})
    assert planted.found
    assert all(found.startswith(EDITOR) for found in planted.found)


FINE = {
    "a digest of the floor": "def f(floor_digest: str, mirror_digest: str = ''): ...",
    "a digest under another name": "class Leaf:\n    floor: Digest",
    "a member of an enum": "class Left:\n    TO_THE_FLOOR = 'left to the floor'",
    "the judge called": TAKEN + "def f(facts):\n    return judge(facts)",
    "words on the floor": '"""The floor, floor.cedar, --floor."""\n',
}


@pytest.mark.parametrize("what", sorted(FINE))
def test_what_is_no_way_in_is_not_found(what: str) -> None:
    """Digests, words and calls hand nothing in."""
    assert read_structure({**ONLY, EDITOR: f"{TEXTS[EDITOR]}\n{FINE[what]}\n"}).found == ()


# module, what stands there, what is put in its place
CHANGED = {
    "the floor imports more": (
        FLOOR,
        "from enum import StrEnum",
        "from enum import StrEnum\nfrom os import environ",
    ),
    "the floor imports a module": (FLOOR, "from enum import StrEnum", "from enum import StrEnum\nimport os"),
    "the floor keeps state": (FLOOR, "    picture = picture_aggregate(facts)", "    global _SWAP_PARTIES"),
    "the floor's rules are a list": (FLOOR, "= (\n    (FloorRule.CHECKS", "= list(\n    (FloorRule.CHECKS"),
    "the floor's rules are not final": (FLOOR, "RULES: Final[", "RULES: Other["),
    "the floor's rules come from elsewhere": (FLOOR, "RULES: Final", "MORE: Final = RULES\nOLD: Final"),
    "a constant of the floor is computed": (
        FLOOR,
        "_SWAP_PARTIES: Final = 2",
        "_SWAP_PARTIES: Final = int('2')",
    ),
    "a constant of the floor is open": (FLOOR, "_SWAP_PARTIES: Final = 2", "_SWAP_PARTIES = 2"),
    "a default in the floor": (FLOOR, "def judge(facts: Facts)", "def judge(facts: Facts, extra=())"),
    "the floor does something": (FLOOR, "_SWAP_PARTIES: Final = 2", "_SWAP_PARTIES: Final = 2\nprint()"),
    "the decision does not ask": (DECISION, "for finding in judge(facts)", "for finding in ()"),
    "the decision asks another judge": (DECISION, "consent_counts, judge,", "consent_counts,"),
    "the decision leaves the house out": (DECISION, "    house = _house_findings(facts)", "    house = ()"),
    "the Decision does not ask": (OUTCOME, "and judge(self.facts)", ""),
    "the gate asks no longer at release": (GATE, "def _release(self", "def _otherwise(self"),
    "the gate asks and does nothing": (
        GATE,
        "self.refuse(decision, assembled",
        "self.note(decision, assembled",
    ),
    "the mirror is read for more than its digest": (
        DIGESTS,
        "_MIRROR: Final = _digest_of(MIRROR_FILE)",
        "_MIRROR: Final = MIRROR_FILE.read_text()",
    ),
}


@pytest.mark.parametrize("what", sorted(CHANGED))
def test_changed_in_its_own_house_it_is_found(what: str) -> None:
    """A change of the floor, or of those who ask it, is found in that very module."""
    module, before, after = CHANGED[what]
    assert before in TEXTS[module]
    found = read_structure({**ONLY, module: TEXTS[module].replace(before, after)}).found
    assert found
    assert all(told.startswith(module) for told in found)


FOUND = "found = [Finding(finding.rule.value, finding.person) for finding in judge(facts)]"
HOUSE = "    house = _house_findings(facts)\n"
JUDGED = "    judged = _judged(facts, bundle, restrictions)\n"
TAKEN_ON = "        return _decide(facts, bundle,"
FILTERED = {
    "a switch": (
        "def _house_findings(facts: Facts)",
        "def _house_findings(facts: Facts, lenient: bool = False)",
    ),
    "a way out before it is asked": (f"    {FOUND}", f"    if lenient():\n        return ()\n    {FOUND}"),
    "a variable of the environment": (FOUND, f"{FOUND} if os.environ.get('STRICT') else []"),
    "one that decides whether it is asked": (
        FOUND,
        f"found = []\n    if os.environ.get('STRICT'):\n        {FOUND}",
    ),
    "a person left out": ("for finding in judge(facts)]", "for finding in judge(facts) if finding.person]"),
    "a rule left out": ("judge(facts)]", "judge(facts) if finding.rule is not FloorRule.HANDS_OFF]"),
    "a filter": ("in judge(facts)]", "in filter(known, judge(facts))]"),
    "a slice of the judge's": ("in judge(facts)]", "in judge(facts)[1:]]"),
    "a slice of what was found": ("return (*found,", "return (*found[1:],"),
    "another's code": (
        "Finding(finding.rule.value, finding.person)",
        "Finding(soft(finding), finding.person)",
    ),
    "the last person for everybody": (
        "Finding(finding.rule.value, finding.person)",
        "Finding(finding.rule.value, 0)",
    ),
    "other facts": ("in judge(facts)]", "in judge(softened(facts))]"),
    "facts softened beforehand": (f"    {FOUND}", f"    facts = softened(facts)\n    {FOUND}"),
    "found and then taken back": (FOUND, f"{FOUND}\n    found.clear()"),
    "found and then taken out": (FOUND, f"{FOUND}\n    del found[0]"),
    "found and then replaced": (FOUND, f"{FOUND}\n    found = []"),
    "found and not handed on": ("return (*found, *", "return (*(), *"),
    "found one by one": ("    return (*found,", "    yield ()\n    return (*found,"),
    "rules of one's own": (
        "house = _house_findings(facts)",
        "house = base_rules(facts) or _house_findings(facts)",
    ),
    "the house asked by chance": (HOUSE, "    house = _house_findings(facts) if bundle.digest else ()\n"),
    "the house dropped beside a restriction": ("(*house, *refused, *added)", "(*refused, *added)"),
    "the house dropped when the engine fails": ("_Judged(house, _UNANSWERED", "_Judged((), _UNANSWERED"),
    "the house asked sometimes": (HOUSE, f"    if bundle.digest:\n    {HOUSE}"),
    "a way out of the house": (HOUSE, f"{HOUSE}    if bundle.name == 'open':\n        return _Judged(())\n"),
    "an answer remembered": (JUDGED, JUDGED.replace("_judged(", "_REMEMBERED.get(facts) or _judged(")),
    "strangers decided on": (JUDGED, JUDGED.replace("facts", "strangers(facts)")),
    "an answer caught anew": (
        JUDGED,
        f"{JUDGED}    match _NOTHING:\n        case judged:\n            pass\n",
    ),
    "a wrapper around it": ("def _judged(", "@softened\ndef _judged("),
    "a second one": ("def _undecided(", "def _house_findings(facts):\n    return ()\n\n\ndef _undecided("),
    "another put in its place": ("def _undecided(", "_judged = softened\n\n\ndef _undecided("),
    "another imported in its place": ("def _undecided(", "from soft import _decide\n\n\ndef _undecided("),
    "an answer replaced": (JUDGED, f"{JUDGED}    judged = replace(judged, findings=())\n"),
    "an answer changed": (JUDGED, f"{JUDGED}    judged.findings = ()\n"),
    "codes replaced": ("    codes = judged.codes(failed)\n", "    codes = judged.also\n"),
    "codes filtered": ("        codes=codes,\n", "        codes=tuple(filter(known, codes)),\n"),
    "findings left out of the decision": ("findings=judged.findings", "findings=()"),
    "codes that leave findings out": ("(*(finding.code for finding in self.findings), *self", "(*self"),
    "codes of some findings": (
        "for finding in self.findings)",
        "for finding in self.findings if finding.person)",
    ),
    "a refusal that is none": ("(*(finding.code for finding in findings), *_UNANSWERED)", "()"),
    "a decision taken otherwise": (
        TAKEN_ON,
        f"        if fast(bundle):\n            return _fast(facts)\n{TAKEN_ON}",
    ),
    "an error that allows": (
        "        return _undecided(facts, bundle, error)",
        "        return allowed(facts)",
    ),
}


@pytest.mark.parametrize("what", sorted(FILTERED))
def test_what_the_floor_finds_cannot_be_filtered(what: str) -> None:
    """Asked under a condition, or asked and not handed on whole, is not asked."""
    before, after = FILTERED[what]
    assert before in TEXTS[DECISION]
    found = read_structure({**ONLY, DECISION: TEXTS[DECISION].replace(before, after)}).found
    assert found
    assert all(told.startswith(f"{DECISION}: ") for told in found)


RELEASES = "        if not decision.allowed or floor.judge(assembled.facts):\n"
ADMITTED = "        if not decision.allowed:\n"
PASSED = {
    "the gate lets some by": (
        GATE,
        RELEASES,
        f"        if fast(assembled):\n            return Clearance()\n{RELEASES}",
    ),
    "the gate asks under a condition": (
        GATE,
        RELEASES,
        f"        if strict() and floor.judge(assembled.facts):\n            raise ValueError\n{ADMITTED}",
    ),
    "the gate asks about other facts": (
        GATE,
        "floor.judge(assembled.facts)",
        "floor.judge(softened(assembled.facts))",
    ),
    "the gate counts what it was told": (
        GATE,
        "or floor.judge(assembled.facts)",
        "or len(floor.judge(assembled.facts)) > 1",
    ),
    "the gate asks a copy": (GATE, "or floor.judge(assembled.facts)", "or base_rules(assembled.facts)"),
    "the Decision asks in some houses": (
        OUTCOME,
        "and judge(self.facts)",
        "and judge(self.facts) and self.policy",
    ),
    "the Decision asks for few": (OUTCOME, "if not self.codes and judge", "if not self.texts and judge"),
    "the Decision only tells": (
        OUTCOME,
        'raise ValueError("a decision cannot allow',
        'print("a decision cannot allow',
    ),
}


@pytest.mark.parametrize("what", sorted(PASSED))
def test_no_barrier_opens_for_some(what: str) -> None:
    """The gate and the Decision stop whatever the judge finds, or the floor is not asked."""
    module, before, after = PASSED[what]
    assert before in TEXTS[module]
    found = read_structure({**ONLY, module: TEXTS[module].replace(before, after)}).found
    assert any(told.endswith("does not ask the floor") for told in found)


ALIKE = {
    "facts asked by keyword later": (
        "bundle, restrictions)\n    codes",
        "bundle, restrictions=restrictions)\n    codes",
    ),
    "more found beside it": ("return (*found, *_consent", "return (*found, *more(facts), *_consent"),
    "another way out that hands it on": (HOUSE, f"{HOUSE}    if quick:\n        return _Judged(house)\n"),
}


@pytest.mark.parametrize("what", sorted(ALIKE))
def test_a_change_that_hands_all_on_is_no_finding(what: str) -> None:
    """The check is of what reaches the decision, not of the letters of it."""
    before, after = ALIKE[what]
    assert before in TEXTS[DECISION]
    assert read_structure({**ONLY, DECISION: TEXTS[DECISION].replace(before, after)}).found == ()


def test_the_gate_must_ask_whatever_else_is_true() -> None:
    """Asked only where the decision refuses anyway, the floor would be asked for nothing."""
    text = TEXTS[GATE].replace("not decision.allowed or floor.judge", "not decision.allowed and floor.judge")
    assert text != TEXTS[GATE]
    found = read_structure({**ONLY, GATE: text}).found
    assert found == (f"{GATE}: admit does not ask the floor", f"{GATE}: _release does not ask the floor")


@pytest.mark.parametrize("name", [FLOOR, DECISION, OUTCOME, GATE])
def test_a_missing_room_is_found(name: str) -> None:
    """Without the floor, or without one of those who ask it, the structure does not hold."""
    rest = {other: text for other, text in ONLY.items() if other != name}
    assert f"{name} is missing" in read_structure(rest).found
