"""Bundles: what an operator's text must be before it is ever evaluated."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from consent_edit.errors import CheckFailed, PolicyInvalid, Unavailable
from consent_edit.policy import engine
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.codes import NOT_PERMITTED
from consent_edit.policy.limits import MAX_FILE_BYTES, MAX_OPERATORS, MAX_POLICY_BYTES, check_limits
from consent_edit.policy.testing import benign, vary

PERMIT = '@id("all")\n@reason("everything")\npermit (principal, action, resource);\n'


def forbid(condition: str, name: str = "no") -> str:
    return f'@id("{name}") @reason("because") forbid (principal, action, resource) when {{ {condition} }};\n'


def test_a_bundle_says_who_its_rules_are() -> None:
    """Codes and texts come from the annotations, the digest from the text."""
    text = PERMIT + forbid('context.stage == Stage::"input"').replace(
        '@reason("because")', '@reason("because") @remedy("wait")'
    )
    bundle = PolicyBundle.from_text(text, name="mine")
    assert [(r.code, r.reason, r.remedy) for r in bundle.texts] == [
        ("policy.all", "everything", ""),
        ("policy.no", "because", "wait"),
    ]
    assert bundle.refusals(benign("input")) == (("policy.no", 0), ("policy.no", 1))
    assert bundle.refusals(benign("output")) == ()
    assert bundle.digest.startswith("sha256:")
    assert bundle == PolicyBundle.from_text(text, name="mine")
    assert bundle.digest == PolicyBundle.from_text("// said\n" + text.replace(" ", "  ")).digest
    assert bundle.digest != PolicyBundle.from_text(text.replace("wait", "wait more")).digest


def test_nothing_permits() -> None:
    """Without a permit everybody is refused under a code of its own."""
    bundle = PolicyBundle.from_text(forbid("false"))
    assert bundle.refusals(benign()) == ((NOT_PERMITTED, 0), (NOT_PERMITTED, 1))


ATTACKS = {
    "floor-id": PERMIT.replace('"all"', '"floor.consent-required"'),
    "consent-id": PERMIT.replace('"all"', '"consent.absent"'),
    "check-id": PERMIT.replace('"all"', '"check.exposure-failed"'),
    "own-default-code": PERMIT.replace('"all"', '"not-permitted"'),
    "upper-case-id": PERMIT.replace('"all"', '"All"'),
    "id-with-newline": PERMIT.replace('"all"', '"all\\nfloor.x"'),
    "missing-id": PERMIT.replace('@id("all")', ""),
    "empty-id": PERMIT.replace('"all"', '" "'),
    "missing-reason": PERMIT.replace('@reason("everything")', ""),
    "empty-reason": PERMIT.replace('"everything"', '""'),
    "unknown-annotation": PERMIT.replace("@reason", '@resaon("x") @reason'),
    "same-id-twice": PERMIT + PERMIT,
    "empty": "",
    "comment-only": "// nothing here\n",
    "misspelt-value": forbid('context.consent == ConsentStatus::"verifed"'),
    "misspelt-fact": forbid("context.concent == context.consent"),
    "string-for-enum": forbid('context.consent == "verified"'),
    "other-action": PERMIT.replace("action,", 'action == Action::"release",'),
    "template": PERMIT.replace("principal,", "principal == ?principal,"),
    "syntax-error": PERMIT.replace("permit", "allow"),
    "no-semicolon": PERMIT.replace(";", ""),
    "unclosed-quote": PERMIT.replace('"everything"', '"everything'),
    "unclosed-bracket": PERMIT.replace("resource);", "resource;"),
    "stray-bracket": PERMIT.replace("resource);", "resource));"),
    "file-too-long": PERMIT + "//" + "x" * MAX_FILE_BYTES,
    "policy-too-long": PERMIT.replace("everything", "e" * MAX_POLICY_BYTES),
    "nesting-bomb": forbid("(" * 1000 + "true" + ")" * 1000),
    "nesting-over-64": forbid("(" * 64 + "true" + ")" * 64),
    "negation-bomb": forbid("!(" * 100 + "true" + ")" * 100),
    "has-chain": forbid("context has " + ".".join(["picture"] * (MAX_OPERATORS + 1))[:3800]),
    "dot-chain": forbid("context" + ".a" * 1900),
    "sum-chain": forbid("1" + "+1" * 1900 + " > 0"),
    "product-chain": forbid("1" + "*1" * 1900 + " > 0"),
    "if-chain": forbid("if 1<1 then 1<1 else " * 130 + "true"),
    "and-chain": forbid("true" + "&&true" * 260),
    "comparison-chain": forbid("1<1||" * 140 + "true"),
    "list-bomb": forbid("[" * 1000 + "1" + "]" * 1000 + ".isEmpty()"),
    "record-bomb": forbid("{a:" * 600 + "1" + "}.a" * 600 + " > 0"),
    "restriction-id": PERMIT.replace('"all"', '"restriction-house"'),
    "policy-id": PERMIT.replace('"all"', '"policy.all"'),
    "input-id": PERMIT.replace('"all"', '"input.all"'),
    "id-twice": PERMIT.replace('@id("all")', '@id("all") @id("other")'),
    "template-resource": PERMIT.replace("resource)", "resource == ?resource)"),
    "namespace-chain": forbid("context == " + "A::" * 1300 + '"x"'),
    "hidden-behind-carriage-return": PERMIT + "//\r" + forbid("(" * 70 + "true" + ")" * 70),
    "lone-surrogate": PERMIT.replace("everything", "\ud800"),
}


@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_refused(attack: str) -> None:
    """Text against the house rules is no bundle."""
    with pytest.raises(PolicyInvalid):
        PolicyBundle.from_text(ATTACKS[attack])


@pytest.mark.parametrize(
    "attack", ["nesting-bomb", "dot-chain", "sum-chain", "product-chain", "file-too-long", "policy-too-long"]
)
def test_refused_before_parsing(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that could crash the parser never reaches it."""

    def reached(*_: object) -> None:
        raise AssertionError("the parser was reached")

    monkeypatch.setattr(engine.cedarpy, "validate_policies", reached)
    with pytest.raises(PolicyInvalid):
        PolicyBundle.from_text(ATTACKS[attack])


@pytest.mark.skipif(sys.platform != "linux", reason="stack sizes and exit signals are those of Linux")
@pytest.mark.parametrize("attack", ["list-bomb", "nesting-bomb", "record-bomb"])
def test_the_bombs_are_real(attack: str) -> None:
    """Without the limits a text under 4 KiB kills the parser's whole process: they are no superstition."""
    assert len(ATTACKS[attack]) <= MAX_POLICY_BYTES
    script = "import sys; from consent_edit.policy.engine import compile_text; compile_text(sys.stdin.read())"
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import threading; threading.stack_size(1 << 20)\ndef go():\n    {script}\n"
            "thread = threading.Thread(target=go); thread.start(); thread.join()",
        ],
        input=ATTACKS[attack].encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode < 0, done.stderr.decode()


def test_limits_let_the_largest_honest_policy_through() -> None:
    """At the limits themselves text still passes, and strings and comments do not count as brackets."""
    assert check_limits(forbid("(" * 62 + "true" + ")" * 62)) == 1
    assert check_limits('@id("(((") // [[[ ; "\npermit (principal, action, resource);') == 1
    assert check_limits(PERMIT * 3) == 3
    text = PERMIT.replace("everything", "")
    assert check_limits(text.replace('""', f'"{"e" * (MAX_POLICY_BYTES - len(text.strip()))}"')) == 1


def test_the_limits_are_the_stated_ones() -> None:
    """64 KiB in all, 4 KiB a policy: one byte more is refused, the last one allowed is not."""
    room = 4096 - len(PERMIT.strip()) + len("everything")
    assert check_limits(PERMIT.replace("everything", "e" * room)) == 1
    with pytest.raises(PolicyInvalid):
        check_limits(PERMIT.replace("everything", "e" * (room + 1)))
    assert check_limits(PERMIT + "//" + "x" * (65536 - len(PERMIT) - 2)) == 1
    with pytest.raises(PolicyInvalid):
        check_limits(PERMIT + "//" + "x" * (65536 - len(PERMIT) - 1))


def test_load_reads_a_file_or_a_folder(tmp_path: Path) -> None:
    """Both give the same bundle, named for what was read."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "policy.cedar").write_text(PERMIT)
    (tmp_path / "single.cedar").write_text(PERMIT)
    folder, file = PolicyBundle.load(tmp_path / "mine"), PolicyBundle.load(tmp_path / "single.cedar")
    assert (folder.name, file.name) == ("mine", "single")
    assert folder.digest == file.digest


def test_load_refuses_what_is_no_policy_file(tmp_path: Path) -> None:
    """A missing, binary or oversized file is refused with the package's own error."""
    (tmp_path / "binary.cedar").write_bytes(b"\xff\xfe")
    (tmp_path / "long.cedar").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    for path in (tmp_path / "none.cedar", tmp_path / "binary.cedar", tmp_path / "long.cedar", tmp_path):
        with pytest.raises(PolicyInvalid):
            PolicyBundle.load(path)


def test_shipped_names_cannot_leave_the_folder() -> None:
    """A name is a name, never a path."""
    assert PolicyBundle.shipped("default").name == "default"
    for name in ("../default", "/etc", "", "Default", "default/policy.cedar"):
        with pytest.raises(PolicyInvalid):
            PolicyBundle.shipped(name)
    with pytest.raises((PolicyInvalid, Unavailable)):
        PolicyBundle.shipped("no-such-policy")


def test_the_same_context_is_answered_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal contexts cost one evaluation; a failure is asked again every time."""
    asked = []
    real = engine.cedarpy.is_authorized

    def counted(*args: object, **kwargs: object) -> object:
        asked.append(args)
        return real(*args, **kwargs)

    monkeypatch.setattr(engine.cedarpy, "is_authorized", counted)
    bundle = PolicyBundle.from_text(PERMIT + forbid('context.age == Age::"minor"'))
    bundle.refusals(benign())
    bundle.refusals(benign())
    assert len(asked) == 2
    bundle.refusals(vary(benign(), {"persons.0.exposure": "suggestive"}))
    assert len(asked) == 2, "a fact that no rule reads makes no context another one"
    bundle.refusals(vary(benign(), {"persons.0.age": "minor"}))
    assert len(asked) == 3


def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that broke once is asked again; its next answer counts."""
    bundle = PolicyBundle.from_text(PERMIT)

    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(engine.cedarpy, "is_authorized", breaks)
        with pytest.raises(CheckFailed):
            bundle.refusals(benign())
    assert bundle.refusals(benign()) == ()


def test_the_digest_is_over_the_rules_in_canonical_form() -> None:
    """Anybody can compute it: the rules of the engine's JSON in their order, keys sorted, without spaces."""
    text = PERMIT + forbid('context.stage == Stage::"input"')
    rules = json.loads(engine.cedarpy.policies_to_json_str(text))["staticPolicies"]
    form = json.dumps([rules["policy0"], rules["policy1"]], sort_keys=True, separators=(",", ":"))
    assert PolicyBundle.from_text(text).digest == f"sha256:{hashlib.sha256(form.encode()).hexdigest()}"


def test_a_narrowing_is_read_from_a_file_or_a_folder(tmp_path: Path) -> None:
    """As a bundle is, rehearsed like any foreign text; one that permits is none."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "policy.cedar").write_text(forbid('context.stage == Stage::"input"'))
    read = Narrowing.load(folder)
    assert (read.name, read.text) == ("mine", forbid('context.stage == Stage::"input"'))
    assert Narrowing.load(folder / "policy.cedar").text == read.text
    (folder / "policy.cedar").write_text(PERMIT)
    with pytest.raises(PolicyInvalid, match="only forbid"):
        Narrowing.load(folder)


def test_what_does_not_parse_is_not_laid_out() -> None:
    """The formatter's own error is one of ours."""
    with pytest.raises(PolicyInvalid, match="does not parse"):
        engine.format_text("permit (principal")


def test_without_a_thread_to_compile_in_nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may start no thread gets a typed error, and its stack size back."""

    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = threading.stack_size()
    monkeypatch.setattr(threading.Thread, "start", none_left)
    with pytest.raises(CheckFailed, match="no thread"):
        PolicyBundle.from_text(PERMIT)
    assert threading.stack_size() == before
