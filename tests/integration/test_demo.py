"""The demo's promises: each step's codes, in any order, on other photographs, and its receipts' worth."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from consent_edit.demo.photos import bystander
from consent_edit.demo.steps import REFUSING_STEPS, STEPS
from consent_edit.demo.world import DemoWorld
from consent_edit.errors import ReceiptInvalid
from consent_edit.evidence.keys import load_public_keys
from consent_edit.evidence.verify import examine_receipt, verify_receipt
from consent_edit.intake.decode import decode

EXPECTED = {
    "no-consent": {"floor.consent-required", "consent.absent"},
    "wrong-operation": {"floor.consent-required", "consent.out_of_scope"},
    "other-grantee": {"floor.consent-required", "consent.wrong_grantee"},
    "other-audience": {"floor.consent-required", "consent.wrong_audience"},
    "tampered-grant": {"floor.consent-required", "consent.signature_invalid"},
    "undress": {"policy.revealing-intent"},
    "second-face": {"floor.consent-required", "consent.absent"},
    "foreign-output": {"floor.foreign-identity"},
    "missing-check": {"floor.checks-incomplete", "check.exposure-missing"},
    "withdrawn": {"floor.consent-required", "consent.revoked"},
}


@pytest.fixture(scope="module")
def results(world):
    """Every step, in the reverse of the story's order: no step relies on another."""
    return {name: STEPS[name](world) for name in reversed(STEPS)}


def test_every_step_is_expected():
    """The table above knows every step but the one that releases."""
    assert set(EXPECTED) == set(REFUSING_STEPS) == set(STEPS) - {"consented"}


@pytest.mark.parametrize("name", EXPECTED)
def test_step_refuses_with_its_codes(results, name):
    """Each attack of the demo is refused, and for its own reason."""
    assert results[name].outcome == "refused"
    assert EXPECTED[name] <= set(results[name].codes)
    assert not results[name].output


@pytest.mark.parametrize(
    "name",
    ["no-consent", "wrong-operation", "other-grantee", "other-audience", "tampered-grant", "withdrawn"],
)
def test_a_refusal_gives_no_other_reason(results, name):
    """Where only the consent is wrong, nothing but the consent is named."""
    assert set(results[name].codes) == EXPECTED[name]


def test_undress_is_refused_though_consent_is_verified(results):
    """The consent itself is in order: no consent code is among the reasons."""
    assert not any(code.startswith("consent.") for code in results["undress"].codes)


def test_consented_is_released_with_a_band(results, world):
    """The released file is the photo warmed, the same size, with the band below it."""
    result = results["consented"]
    assert result.outcome == "released", result.codes
    released = decode(Path(result.output).read_bytes()).image
    assert released.width == world.photo.width
    assert released.height > world.photo.height
    picture = released.pixels[: world.photo.height].astype(float)
    before = world.photo.pixels.astype(float)
    warmth = picture[..., 0].mean() - picture[..., 2].mean()
    assert warmth > before[..., 0].mean() - before[..., 2].mean() + 1
    band = released.pixels[world.photo.height :]
    assert (band == 255).any() and len(np.unique(band.reshape(-1, 3), axis=0)) > 2


def test_receipt_is_a_demos_and_never_verifies(results, world):
    """Everything else about the receipt holds, and still it does not verify: it is a demo's."""
    result = results["consented"]
    keys = load_public_keys(world.out / "receipt-key.jwk.json")
    data, receipt = Path(result.output).read_bytes(), Path(result.receipt).read_bytes()
    assert examine_receipt(receipt, keys, data).is_demo
    with pytest.raises(ReceiptInvalid) as refused:
        verify_receipt(receipt, keys, data)
    assert refused.value.code == "verification.demo"


def test_receipt_names_every_check_and_its_models(results):
    """G4: the receipt names the checks that ran, each with a model hash and a passed self-test."""
    checks = json.loads(Path(results["consented"].receipt).read_text())["receipt"]["checks"]
    named = {check["name"]: check["models"] for check in checks}
    assert {"face-detection", "face-embedding", "face-embedding-second", "exposure", "prompt-intent"} <= set(
        named
    )
    for name, models in named.items():
        assert name == "change" or models
        assert all(len(model["sha256"]) == 64 and model["self_test"] for model in models)


def test_nothing_is_fetched_during_an_edit(world, monkeypatch):
    """With every connection refused, a consented edit is released all the same."""

    def refused(*arguments, **keywords):
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert STEPS["consented"](world).outcome == "released"


def test_log_holds_every_decision(results, world):
    """Every step left an entry."""
    assert world.operator.store.log_state().size >= len(results)


@pytest.fixture(scope="module")
def other_photos(eval_folder):
    return eval_folder / "faces" / "detect"


@pytest.mark.parametrize("which", ["bystander", "eval"])
def test_steps_hold_on_another_photograph(which, perception, tmp_path, request):
    """The story is not made for one picture: two other single-face photos give the same outcomes."""
    if which == "bystander":
        photo = bystander()
    else:
        photo = decode((request.getfixturevalue("other_photos") / "obama-240p.jpg").read_bytes()).image
    other = DemoWorld.create(photo, perception, tmp_path)
    names = ["withdrawn", "foreign-output", "consented", "undress", "no-consent", "second-face"]
    for name in names:
        result = STEPS[name](other)
        if name == "consented":
            assert result.outcome == "released", result.codes
        else:
            assert result.outcome == "refused"
            assert EXPECTED[name] <= set(result.codes)


def test_demo_command_prints_json(tmp_path):
    """The command, in a fresh process: the documented JSON, and files where it says."""
    photo = tmp_path / "photo.png"
    Image.fromarray(bystander().pixels).save(photo)
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "consent_edit",
        "demo",
        "--photo",
        str(photo),
        "--out",
        str(out),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [step["name"] for step in printed["steps"]] == list(REFUSING_STEPS)
    assert {step["outcome"] for step in printed["steps"]} == {"refused"}
    assert all(set(step) == {"name", "outcome", "codes", "output", "receipt"} for step in printed["steps"])
    assert printed["checks"] and printed["log"]["size"] >= len(printed["steps"])
    assert len(printed["log"]["root"]) == 64
    assert done.stderr == ""
    assert Image.open(out / "contact-sheet.png").width > 300
    assert not list(out.glob("*.receipt.json"))
