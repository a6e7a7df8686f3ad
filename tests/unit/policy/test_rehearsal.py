"""Rehearsal: foreign text crashes, hogs and lies in a child, and the parent is left with one typed error."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from consent_edit.errors import CheckFailed, PolicyInvalid
from consent_edit.policy import rehearsal, rehearsal_child
from consent_edit.policy.bundle import Narrowing, PolicyBundle
from consent_edit.policy.rehearsal import rehearse
from consent_edit.shipped import shipped

PERMIT = '@id("all") @reason("e") permit (principal, action, resource);\n'
GOOD = PERMIT + (
    '@id("no") @reason("because") forbid (principal, action, resource) when { context.picture.exposed };\n'
)
BROUGHT_DOWN = "brought the rehearsal down"


def forbid(condition: str, name: str = "no") -> str:
    return f'@id("{name}") @reason("b") forbid (principal, action, resource) when {{ {condition} }};\n'


ERRING = PERMIT + forbid("context.picture.persons + 9223372036854775807 > 0")


def filled(condition: str) -> str:
    """As many copies of one rule as a file may hold."""
    rules = [PERMIT]
    while sum(map(len, rules)) + len(forbid(condition)) + 8 < 64 * 1024:
        rules.append(forbid(condition, f"no-{len(rules)}"))
    return "".join(rules)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    rehearsal._rehearsed.cache_clear()
    yield
    rehearsal._rehearsed.cache_clear()


def boot(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Have the child run other code in the place of ``main``, or before it."""
    whole = rehearsal._BOOT
    assert whole.endswith("; main()")
    monkeypatch.setattr(rehearsal, "_BOOT", whole.removesuffix("; main()") + "\n" + code)


def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the limits on text out, here and in the child."""
    monkeypatch.setattr(rehearsal, "check_limits", len)
    boot(
        monkeypatch,
        "from consent_edit.policy import rehearsal_child as child; child.check_limits = len; main()",
    )


def test_good_text_passes() -> None:
    """Nothing is said of a text that is fine."""
    rehearse(GOOD)


@pytest.mark.parametrize("path", sorted(shipped("policies").rglob("policy.cedar")), ids=str)
def test_every_shipped_policy_passes(path: Path) -> None:
    """What ships is held to what foreign text is held to."""
    rehearse(path.read_text(encoding="utf-8"))


WORST = {
    "brackets": "(" * 61 + "context.picture.exposed" + ")" * 61,
    "negations": "!(" * 61 + "context.picture.exposed" + ")" * 61,
    "sum": "context.picture.persons" + "+1" * 240 + " > 0",
    "records": "{a:" * 60 + "1" + "}.a" * 60 + " > 0",
    "like": '"' + "a" * 1900 + '" like "*' + "a" * 950 + 'b"',
    "list": "[" + ",".join(["1"] * 1900) + "].contains(2)",
}


@pytest.mark.parametrize("worst", sorted(WORST))
def test_the_worst_legal_text_passes(worst: str) -> None:
    """64 KiB of the deepest, longest and slowest rules within the limits stay within those of the child."""
    rehearse(filled(WORST[worst]))


INVALID = {
    "syntax": PERMIT.replace("permit", "allow"),
    "misspelt": GOOD.replace("exposed", "exposd"),
    "template": PERMIT.replace("principal,", "principal == ?principal,"),
    "nesting": forbid("(" * 64 + "true" + ")" * 64),
}


@pytest.mark.parametrize("invalid", sorted(INVALID))
def test_invalid_text_is_refused_in_the_same_words(invalid: str) -> None:
    """Message and next step are those that the text would have met here."""
    with pytest.raises(PolicyInvalid) as here:
        PolicyBundle.from_text(INVALID[invalid])
    with pytest.raises(PolicyInvalid) as there:
        rehearse(INVALID[invalid])
    assert (there.value.message, there.value.remedy) == (here.value.message, here.value.remedy)


def test_long_words_about_invalid_text_are_cut() -> None:
    """Hundreds of mistakes still fit one small answer."""
    with pytest.raises(PolicyInvalid) as caught:
        rehearse(filled('context.consent == ConsentStatus::"verifed"'))
    assert BROUGHT_DOWN not in caught.value.message
    assert len(caught.value.message) == rehearsal_child.MAX_MESSAGE


def test_half_a_character_is_refused() -> None:
    """A lone surrogate cannot be handed over."""
    with pytest.raises(PolicyInvalid):
        rehearse(PERMIT.replace('"e"', '"\ud800"'))


BOMBS = {
    "nesting": forbid("(" * 1000 + "true" + ")" * 1000),
    "negation": forbid("!(" * 1000 + "true" + ")" * 1000),
    "lists": forbid("[" * 1000 + "1" + "]" * 1000 + ".isEmpty()"),
    "sum": forbid("1" + "+1" * 20_000 + " > 0"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="stack sizes and exit signals are those of Linux")
@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_a_bomb_goes_off_in_the_child(bomb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should the limits on text miss one, the process that dies is not this one."""
    unlimited(monkeypatch)
    with pytest.raises(PolicyInvalid, match=BROUGHT_DOWN) as caught:
        rehearse(BOMBS[bomb])
    assert "SIG" in caught.value.message
    assert caught.value.remedy


HOGS = {
    "time": "import time\nmain.__globals__['compile_text'] = lambda text: exec('while True: pass')\nmain()",
    "memory": "main.__globals__['compile_text'] = lambda text: bytearray(1 << 30)\nmain()",
    "file": "main.__globals__['compile_text'] = lambda text: open('/tmp/x', 'w').write('x' * 9999)\nmain()",
    "exit": "main.__globals__['compile_text'] = lambda text: __import__('os')._exit(3)\nmain()",
    "abort": "main.__globals__['compile_text'] = lambda text: __import__('os').abort()\nmain()",
    "panic": "from consent_edit.errors import CheckFailed\n"
    "def panics(text): raise CheckFailed('panic')\n"
    "main.__globals__['compile_text'] = panics\nmain()",
}


@pytest.mark.parametrize("hog", sorted(HOGS))
def test_a_text_that_makes_the_child_misbehave_is_refused(hog: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endless time, memory, a file, an exit, an abort or a panic: all the text's fault, and one error."""
    monkeypatch.setattr(rehearsal_child, "CPU_S", 1)
    cpu = "from consent_edit.policy import rehearsal_child as child; child.CPU_S = 1\n"
    boot(monkeypatch, cpu + HOGS[hog])
    with pytest.raises(PolicyInvalid, match=BROUGHT_DOWN):
        rehearse(GOOD)


READY = "import os, sys, time; sys.stdout.buffer.write(b'ready\\n'); sys.stdout.flush(); "
ANSWER = '{"verdict": "good", "message": "", "remedy": ""}'
GARBAGE = {
    "silence": "pass",
    "nonsense": "print('good')",
    "half-a-line": f"sys.stdout.write('{ANSWER}')",
    "two-lines": f"print('{ANSWER}'); print('{ANSWER}')",
    "a-list": "print('[]')",
    "true": "print('true')",
    "a-key-more": f"print('{ANSWER}'.replace('}}', ', \"x\": \"\"}}'))",
    "a-key-less": 'print(\'{"verdict": "good"}\')',
    "no-text": f"print('{ANSWER}'.replace('\"\"', '0'))",
    "another-verdict": f"print('{ANSWER}'.replace('good', 'fine'))",
    "not-unicode": "sys.stdout.buffer.write(b'\\xff\\n')",
    "good-but-died": f"print('{ANSWER}'); sys.stdout.flush(); os._exit(1)",
    "good-but-shot": f"print('{ANSWER}'); sys.stdout.flush(); os.abort()",
    "endless": "exec('while True: os.write(1, b\"x\" * 4096)')",
    "deeply-nested": "print('[' * 50000)",
}


@pytest.mark.parametrize("garbage", sorted(GARBAGE))
def test_only_one_whole_answer_counts(garbage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but the complete line, with exit status 0 after it, refuses the text."""
    boot(monkeypatch, READY + GARBAGE[garbage])
    with pytest.raises(PolicyInvalid, match=BROUGHT_DOWN):
        rehearse(GOOD)


def test_the_stand_in_answer_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the garbage above is a variation of passes."""
    boot(monkeypatch, READY + f"print('{ANSWER}')")
    rehearse(GOOD)


@pytest.mark.parametrize("closing", ["", "os.close(1); "])
def test_a_child_that_hangs_is_killed(closing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """At the deadline it is gone, and so is what it started, whether or not it holds on to its output."""
    pids = tmp_path / "pids"
    boot(
        monkeypatch,
        READY + f"child = os.fork(); open({str(pids)!r}, 'a').write(f'{{os.getpid()}} '); "
        f"{closing}time.sleep(600)",
    )
    monkeypatch.setattr(rehearsal, "DEADLINE_S", 3.0)  # both must have begun, on a busy machine too
    with pytest.raises(PolicyInvalid, match="too long"):
        rehearse(GOOD)
    found = [int(pid) for pid in pids.read_text().split()]
    assert len(found) == 2
    until = time.monotonic() + 10  # the grandchild is gone when the system gets round to it
    while any(map(_running, found)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not any(map(_running, found))


def _running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_child_that_reads_nothing_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that nobody takes does not hold the parent up."""
    boot(monkeypatch, READY + "time.sleep(600)")
    monkeypatch.setattr(rehearsal, "DEADLINE_S", 0.5)
    with pytest.raises(PolicyInvalid, match="too long"):
        rehearse(PERMIT + "//" + "x" * (64 * 1024 - len(PERMIT) - 2))


NOT_HELD: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "no-interpreter": lambda patch: patch.setattr(sys, "executable", "/nonexistent/python"),
    "empty-interpreter": lambda patch: patch.setattr(sys, "executable", ""),
    "null-in-the-path": lambda patch: patch.setattr(sys, "executable", "a\0b"),
    "another-program": lambda patch: patch.setattr(sys, "executable", "/bin/true"),
    "no-package": lambda patch: patch.setattr(rehearsal, "_PACKAGE", Path("/nonexistent")),
    "dies-at-once": lambda patch: boot(patch, "import os; os._exit(9)"),
    "unreadable-pipe": lambda patch: patch.setattr(rehearsal, "_exchange", _breaks),
    "no-pipe": lambda patch: patch.setattr(rehearsal, "_start", _without_pipes),
}


def _without_pipes() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/true"], start_new_session=True)


def _breaks(*_: object) -> bytes:
    raise OSError("pipe")


@pytest.mark.parametrize("why", sorted(NOT_HELD))
def test_a_rehearsal_that_cannot_be_held_is_not_the_texts_fault(
    why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a failed check with a code of its own, and the text is not taken either."""
    NOT_HELD[why](monkeypatch)
    with pytest.raises(CheckFailed) as caught:
        rehearse(GOOD)
    assert caught.value.code == "check.policy-rehearsal"
    assert caught.value.remedy


def test_only_success_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that passed is not rehearsed again in this process; one that did not is, every time."""
    started: list[int] = []
    real = rehearsal._start
    monkeypatch.setattr(rehearsal, "_start", lambda: started.append(1) or real())
    rehearse(GOOD)
    rehearse(GOOD)
    assert len(started) == 1
    for _ in range(2):
        with pytest.raises(PolicyInvalid):
            rehearse(INVALID["syntax"])
    assert len(started) == 3


def test_text_over_the_limits_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long or too deep is refused before anything is started."""
    monkeypatch.setattr(rehearsal, "_start", _breaks)
    for text in (BOMBS["nesting"], PERMIT + "//" + "x" * 65536):
        with pytest.raises(PolicyInvalid):
            rehearse(text)


def test_the_child_is_told_nothing_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No secret of the environment, no open file, and a program path that the text has no part in."""
    monkeypatch.setenv("API_TOKEN", "hush")
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    found = tmp_path / "found"
    with (tmp_path / "open").open("w") as held:
        os.set_inheritable(held.fileno(), True)
        boot(
            monkeypatch,
            f"import os; open({str(found)!r}, 'w').write(f'{{sorted(os.environ)}} {{sys.argv}} '\n"
            f"    + str(os.path.exists('/proc/self/fd/{held.fileno()}')))\n" + f"{READY}print('{ANSWER}')",
        )
        rehearse(GOOD)
    told = found.read_text()
    assert "API_TOKEN" not in told
    assert "PYTHON" not in told
    assert "forbid" not in told
    assert told.endswith("False")


def test_the_child_works_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a folder with a package of the same name in it, the child still finds this one."""
    (tmp_path / "consent_edit").mkdir()
    (tmp_path / "consent_edit" / "__init__.py").write_text("raise SystemExit(5)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    rehearse(GOOD)


def test_a_program_that_imports_only_the_bundle_can_rehearse(tmp_path: Path) -> None:
    """An application's own process, started anywhere, loads a policy file through a child."""
    (tmp_path / "mine.cedar").write_text(GOOD)
    script = (
        "from pathlib import Path; from consent_edit.policy.bundle import PolicyBundle; "
        "print(PolicyBundle.load(Path('mine.cedar')).name)"
    )
    package = str(rehearsal._PACKAGE.parent)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": package},
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.strip() == b"mine"


def _refused(text: str) -> None:
    raise PolicyInvalid("rehearsed")


def test_foreign_text_and_files_are_rehearsed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Bundles and narrowings from elsewhere go through it; the house's own do not."""
    monkeypatch.setattr("consent_edit.policy.bundle.rehearse", _refused)
    file = tmp_path / "mine.cedar"
    file.write_text(GOOD)
    for take in (
        lambda: PolicyBundle.foreign(GOOD, name="tenant"),
        lambda: PolicyBundle.load(file),
        lambda: Narrowing.load(file),
    ):
        with pytest.raises(PolicyInvalid, match="rehearsed"):
            take()
    assert PolicyBundle.from_text(GOOD).name == "inline"
    assert PolicyBundle.shipped("default").name == "default"


def test_a_rule_that_errs_for_everybody_is_refused() -> None:
    """It would turn every edit into a refusal that nobody understands."""
    with pytest.raises(PolicyInvalid, match="cannot be evaluated"):
        rehearse(ERRING)


def test_a_text_that_takes_long_to_judge_is_refused() -> None:
    """By the processor's clock, and only when it does so three times."""
    times = iter([0.0, 0.06] * 3)
    with pytest.raises(PolicyInvalid, match="50 ms"):
        rehearsal_child.rehearse_here(GOOD, clock=lambda: next(times))
    busy = [0.0, 0.06, 0.0, 0.001, 0.0, 0.06]
    several = iter(busy * 1000)
    rehearsal_child.rehearse_here(GOOD, clock=lambda: next(several))


def test_the_child_keeps_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No core file, no file, few handles, and bounds on time and memory, never above what was there."""
    kept: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (0, 3 if kind == resource.RLIMIT_CPU else -1))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, most: kept.update({kind: most}))
    rehearsal_child._keep_limits()
    assert kept == {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_NOFILE: (16, 16),
        resource.RLIMIT_CPU: (3, 3),
        resource.RLIMIT_AS: (rehearsal_child.MEMORY_BYTES,) * 2,
    }


@pytest.mark.parametrize("kind", ["RLIMIT_AS", "RLIMIT_CPU"])
def test_only_a_system_without_a_limit_on_memory_goes_without(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where address space cannot be bounded the rest still is; any other limit that fails ends the child."""

    def refuses(which: int, most: tuple[int, int]) -> None:
        if which == getattr(resource, kind):
            raise ValueError

    monkeypatch.setattr(resource, "setrlimit", refuses)
    if kind == "RLIMIT_AS":
        rehearsal_child._keep_limits()
    else:
        with pytest.raises(ValueError):
            rehearsal_child._keep_limits()


@pytest.mark.parametrize(
    ("source", "status", "verdict"),
    [
        (GOOD.encode(), 0, "good"),
        (b"allow;", 0, "invalid"),
        (ERRING.encode(), 0, "invalid"),
        (b"\xff", 1, ""),
        (b"panic", 1, ""),
    ],
)
def test_the_child_answers_in_one_line(
    source: bytes, status: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is up, then it answers, then it ends; without an answer it ends badly."""
    said, ended = io.BytesIO(), []
    real = rehearsal_child.compile_text

    def panics(text: str) -> object:
        if text == "panic":
            raise CheckFailed("panic")
        return real(text)

    monkeypatch.setattr(rehearsal_child, "check_limits", len)
    monkeypatch.setattr(rehearsal_child, "compile_text", panics)
    monkeypatch.setattr(rehearsal_child, "_keep_limits", lambda: None)
    monkeypatch.setattr(rehearsal_child.threading, "excepthook", lambda _: None)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(source)))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=said))
    monkeypatch.setattr(rehearsal_child.os, "_exit", ended.append)
    before = threading.stack_size()
    try:
        rehearsal_child.main()
    finally:
        threading.stack_size(before)
    assert ended == [status]
    first, *rest = said.getvalue().splitlines(keepends=True)
    assert first == rehearsal._READY == rehearsal_child.READY
    assert [json.loads(line)["verdict"] for line in rest] == [verdict] * (not status)


def test_nobody_listening_is_no_error_of_its_own() -> None:
    """A child that is gone takes no text; how it ended is what counts."""
    reading, writing = os.pipe()
    os.close(reading)
    assert not rehearsal._written(writing, memoryview(b"text"))
    os.close(writing)


def test_the_child_measures_before_it_parses(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not rely on the one who started it to have looked."""
    monkeypatch.setattr(rehearsal_child, "compile_text", _breaks)
    with pytest.raises(PolicyInvalid):
        rehearsal_child.rehearse_here(BOMBS["nesting"])
