"""Everybody's part, by commands alone: issuer, holder, operator, and a stranger who verifies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from consent_edit.consent.holder.wallet import Wallet
from consent_edit.demo.photos import astronaut
from consent_edit.evidence.keys import load_public_keys
from consent_edit.evidence.verify import verify_receipt

ISSUER, STATUS = "https://issuer.example", "https://issuer.example/status/1"
AUDIENCE, GRANTEE = "https://service.example", "app:example"
PROMPT = "make the picture warmer"


def command(*arguments):
    """Run one command in a fresh process."""
    line = [sys.executable, "-m", "consent_edit", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)


def must(*arguments):
    done = command(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A folder in which everything was set up by commands."""
    place = tmp_path_factory.mktemp("town")
    photo = place / "photo.png"
    Image.fromarray(astronaut().pixels).save(photo)
    must("issuer", "init", place / "issuer", "--name", ISSUER, "--status-uri", STATUS)
    must("wallet", "init", place / "wallet")
    card = place / "wallet" / "holder.json"
    enrolled = ["--holder", card, "--out", place / "package.jwe", "--method", "passport, in person"]
    level = ["--loa", "low", "--liveness", "supervised_session"]
    must("issuer", "enrol", place / "issuer", photo, *enrolled, *level)
    must("wallet", "receive", place / "wallet", place / "package.jwe")
    trust = ["--anchor", place / "anchor.key.json", "--out", place / "trust.jwt"]
    must("issuer", "trust", place / "issuer", *trust, "--anchor-public", place / "anchor.jwk.json")
    listed = ["--trust-list", place / "trust.jwt", "--anchor", place / "anchor.jwk.json"]
    must("operator", "init", place / "operator", "--audience", AUDIENCE, *listed, "--status-uri", STATUS)
    return place


def grant(town, name, *more):
    said = must(
        *("wallet", "grant", town / "wallet", "--audience", card(town), "--grantee", GRANTEE),
        *("--operation", "tone", "--photo", town / "photo.png", "--out", town / f"{name}.consent.jwe"),
        *more,
    )
    return town / f"{name}.consent.jwe", said


def card(town):
    return town / "operator" / "audience.json"


def edit(town, name, *consents):
    must("issuer", "publish", town / "issuer", town / "operator" / "status")  # lists count for a minute
    given = [item for consent in consents for item in ("--consent", consent)]
    return command(
        *("edit", town / "photo.png", "--prompt", PROMPT, "--operator", town / "operator"),
        *("--grantee", GRANTEE, "--out", town / name, *given, "--json"),
    )


def test_without_consent_the_edit_is_refused(town):
    """Exit 3, the box that needs consent, and no file."""
    done = edit(town, "refused.png")
    assert done.code == 3
    error = json.loads(done.out)["error"]
    assert "consent.required" in error["codes"] and len(error["boxes"]) == 1
    assert not any(code in done.out + done.err for code in ("consent.absent", "absent"))
    assert not (town / "refused.png").exists()


def test_with_consent_the_edit_is_released_and_verifies(town):
    """Exit 0, and the receipt verifies under the operator's key, for this file and no other."""
    consent, _ = grant(town, "first")
    done = edit(town, "warm.png", consent)
    assert done.code == 0, done.err
    released = Image.open(town / "warm.png")
    assert released.size == (512, 512), "no band outside the demo"
    key = town / "operator" / "receipt-key.jwk.json"
    receipt = town / "warm.png.receipt.json"
    assert command("verify", town / "warm.png", "--receipt", receipt, "--key", key).code == 0
    altered = np.asarray(released).copy()
    altered[0, 0] ^= 1
    Image.fromarray(altered).save(town / "altered.png")
    assert command("verify", town / "altered.png", "--receipt", receipt, "--key", key).code == 5


def test_an_edit_that_cannot_be_written_costs_no_use(town):
    """Where the file cannot be written nothing runs: the only use is left, and no half of a file."""
    consent, _ = grant(town, "once", "--max-uses", "1")
    (town / "a folder.png").mkdir()
    for place in ("no such folder/out.png", "a folder.png"):
        done = edit(town, place, consent)
        assert done.code == 2, done.err
        error = json.loads(done.out)["error"]
        assert error["code"] == "input.out" and error["remedy"]
    assert edit(town, "with spaces in it.png", consent).code == 0
    assert (town / "with spaces in it.png.receipt.json").exists()
    assert edit(town, "twice.png", consent).code == 3
    assert not (town / "twice.png").exists()
    assert not list(town.glob(".consent-edit-*"))


def test_the_signer_is_shown_what_she_signs(town):
    """The notice is in the answer itself, and nothing but errors is on stderr."""
    line = ("wallet", "grant", town / "wallet", "--audience", card(town), "--operation", "tone")
    done = command(*line, "--out", town / "shown.consent.jwe")
    assert AUDIENCE in done.out and "withdraw" in done.out
    assert done.err == ""
    assert AUDIENCE in must(*line, "--out", town / "shown.consent.jwe")["notice"]


def test_swapped_receipts_verify_neither_file(town):
    """A receipt of another file of the same operator says nothing about this one, whichever way round."""
    consent, _ = grant(town, "both")
    for name in ("one.png", "two.jpg"):
        assert edit(town, name, consent).code == 0
    key = town / "operator" / "receipt-key.jwk.json"
    for file, receipt in (("one.png", "two.jpg"), ("two.jpg", "one.png")):
        line = ("verify", town / file, "--receipt", town / f"{receipt}.receipt.json", "--key", key)
        done = command(*line, "--json")
        assert done.code == 5
        verdict = json.loads(done.out)
        assert verdict["verdict"] == "failed" and verdict["remedy"]


def test_after_withdrawal_the_edit_is_refused(town):
    """She withdraws; the same presentation no longer works, and the requester is not told why."""
    consent, said = grant(town, "second")
    request = town / "withdrawal.jwt"
    must("wallet", "withdraw", town / "wallet", said["grant"], "--out", request)
    must("issuer", "withdrawal", town / "issuer", request)
    done = edit(town, "withdrawn.png", consent)
    assert done.code == 3
    assert "revoked" not in done.out + done.err
    assert not (town / "withdrawn.png").exists()


def test_refusals_of_a_stranger_and_of_one_who_withdrew_read_alike(town):
    """G7: but for the record's random name, the requester reads the same."""
    consent, said = grant(town, "third")
    must("wallet", "withdraw", town / "wallet", said["grant"], "--out", town / "third.jwt")
    must("issuer", "withdrawal", town / "issuer", town / "third.jwt")

    def told(done):
        error = json.loads(done.out)["error"]
        error.pop("decision_id")
        return done.code, error

    assert told(edit(town, "a.png")) == told(edit(town, "b.png", consent))


def test_she_edits_herself(town):
    """One grant to herself and her wallet at hand: released; the same files without her wallet are not."""
    own = town / "own.consent.jwe"
    line = ("wallet", "self", town / "wallet", "--audience", card(town), "--operation", "tone")
    must(*line, "--photo", town / "photo.png", "--out", own)
    must("issuer", "publish", town / "issuer", town / "operator" / "status")
    asked = (
        "edit",
        town / "photo.png",
        "--prompt",
        PROMPT,
        "--operator",
        town / "operator",
        "--consent",
        own,
    )
    done = command(*asked, "--wallet", town / "wallet", "--out", town / "own.png", "--json")
    assert done.code == 0, done.err
    thief = command(*asked, "--grantee", "thief", "--out", town / "thief.png", "--json")
    assert thief.code == 3
    assert not (town / "thief.png").exists()


def test_she_asks_what_is_held_of_her(town):
    """With a fresh nonce she reads her decisions, erases them, and objects; the receipt still verifies."""
    consent, _ = grant(town, "subject")
    assert edit(town, "subject.png", consent).code == 0
    bound = town / "bound.jwe"

    def ask(what, *more, face=(), purpose=""):
        nonce = must("subject", "challenge", town / "operator", purpose or what)["nonce"]
        bind = ("wallet", "bind", town / "wallet", "--audience", card(town), "--nonce", nonce)
        must(*bind, "--out", bound, *face)
        return must("subject", what, town / "operator", "--presentation", bound, "--nonce", nonce, *more)

    held = ask("export")["decisions"]
    assert any(entry["data"]["event"] == "release" for entry in held)
    assert ask("erase")["erased"] == len(held)
    assert ask("export")["decisions"] == []
    key, receipt = town / "operator" / "receipt-key.jwk.json", town / "subject.png.receipt.json"
    assert command("verify", town / "subject.png", "--receipt", receipt, "--key", key).code == 0
    again, _ = grant(town, "objected")
    ask("object", face=("--face",))
    assert edit(town, "objected.png", again).code == 3
    ask("object", "--lift", purpose="lift")
    assert edit(town, "lifted.png", again).code == 0


def test_nothing_that_was_handed_over_shows_her_template(town):
    """No file that the commands wrote holds the template in clear, but for what the issuer seals."""
    grant(town, "sealed")
    wallet = Wallet.open(town / "wallet")
    nonce = "looking"
    _, *disclosed = wallet.bind(AUDIENCE, nonce, int(time.time()), disclose=True).split("~")
    template = max(disclosed[:-1], key=len)
    assert len(template) > 500
    for file in town.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert template[40:100].encode() not in data, file


def test_assess_says_why_and_releases_nothing(town):
    """The operator's own view: exact codes in words, exit 3."""
    must("issuer", "publish", town / "issuer", town / "operator" / "status")
    done = command(
        *("assess", town / "photo.png", "--prompt", PROMPT, "--operator", town / "operator"),
        *("--grantee", GRANTEE),
    )
    assert done.code == 3
    assert "consent.absent" in done.out and "floor.consent-required" in done.out


def test_assess_is_recorded_for_the_audit(town):
    """What would be decided under a law is logged, counted, and can be taken again under another."""
    must("issuer", "publish", town / "issuer", town / "operator" / "status")
    done = command(
        *("assess", town / "photo.png", "--prompt", PROMPT, "--operator", town / "operator"),
        *("--grantee", GRANTEE, "--jurisdiction", "eu", "--record", "--json"),
    )
    assert done.code == 3, done.err
    said = json.loads(done.out)
    assert said["policy"] == "default+eu" and len(said["decision_id"]) == 32
    counts = must("operator", "audit", town / "operator")
    assert counts["by_stage"]["would_refuse"] == {"input": 1}
    assert "consent.absent" in {reason["code"] for reason in counts["reasons"]}
    (town / "assessed.jsonl").write_text(done.out)
    again = must("policy", "replay", town / "assessed.jsonl", "default", "--jurisdiction", "uk")
    assert (again["replayed"], again["counts"]["same"], again["skipped"]) == (1, 1, [])


def test_the_readmes_example_runs(town, monkeypatch):
    """The Python example of the README, as it stands there, releases her consented edit."""
    consent, _ = grant(town, "readme")
    consent.rename(town / "her-consent.jwe")
    shutil.copy(town / "photo.png", town / "photo.jpg")  # told by its content, not by its name
    must("issuer", "publish", town / "issuer", town / "operator" / "status")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    example = re.search(r"```python\n(from pathlib.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(town)
    exec(compile(example.group(1), "README.md", "exec"), {})
    receipt = (town / "edited.receipt.json").read_bytes()
    keys = load_public_keys(town / "operator" / "receipt-key.jwk.json")
    assert verify_receipt(receipt, keys, (town / "edited.png").read_bytes()).receipt.consents


@pytest.mark.parametrize(
    "arguments,code",
    [
        (["edit", "nowhere.png"], 2),
        (["verify", "nowhere.png", "--receipt", "nowhere.json", "--key", "nowhere.jwk"], 2),
        (["bench", "prompts", "nowhere.jsonl"], 2),
        (["wallet", "receive", "nowhere", "nothing.jwe"], 2),
        (["demo", "--photo", "nowhere.png"], 2),
    ],
)
def test_bad_input_exits_with_two(arguments, code, tmp_path):
    """What cannot be read is the caller's to mend."""
    done = command(*arguments)
    assert done.code == code, done.err
    assert "Traceback" not in done.err
