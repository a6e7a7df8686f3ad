"""Every attack fixture fails when its check is taken out: cut it from the source, and the attack passes.

A cut is applied to a module's text, the text is run as a fresh module, and what other modules took from the
old one is replaced for the length of the test. An attack that a cut sets free comes to ``verified``, or to
the status named beside it: that of the next thing in its way.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import test_sd_jwt
import test_verify
from consent_world import STATUS_URI, ConsentWorld

from consent_edit.consent import binding, disclosure, grant, sd_jwt, trust, verify, wire
from consent_edit.vocabulary import ConsentStatus

S = ConsentStatus
OURS = ("consent_edit.", "consent_world", "test_verify", "test_sd_jwt")


@dataclass(frozen=True)
class Cut:
    """A check taken out.

    Attributes:
        check: Its number in the list of verify.py, or of sd_jwt.py.
        swaps: Module, source text, and what stands there afterwards.
        frees: The attacks it sets free, and the status they come to then.
    """

    check: int
    swaps: tuple[tuple[ModuleType, str, str], ...]
    frees: dict[str, ConsentStatus]

    @property
    def name(self) -> str:
        """For the test's id."""
        return f"{self.check:02d}-{'-'.join(self.frees)[:60]}"


def cut(check: int, *swaps: tuple[ModuleType, str, str], frees: str, to: ConsentStatus = S.VERIFIED) -> Cut:
    """A cut that sets these attacks free."""
    return Cut(check, swaps, dict.fromkeys(frees.split(), to))


NO_KEY_BINDING = "if not disclosures or disclosures.pop()"
LENIENT = "parse_json(__import__('base64').urlsafe_b64decode(encoded + '=='))"
PAYLOAD_OF = "__import__('consent_edit.encoding').encoding.b64url_decode"
ANY_ENTRY = f'{{"status_list":{{"idx":0,"uri":"{STATUS_URI}"}}}}'
ANYBODY_S_ENTRY = (verify, "if not credential.hands_out(grant.status.status_list):", "if False:")
ANY_ISSUER = (
    trust,
    "if found is None or not self.in_force(now):",
    "found = found or next(iter(self.issuers.values()))\n        if False:",
)
ANY_NAME = (sd_jwt, "if not isinstance(value, str):\n", "if False:\n")
UNSIGNED = (sd_jwt, "    else:\n        raise refusal", "    else:\n        pass")
ENDED = (trust, "if not found.entry.nbf <= now < found.entry.exp:", "if False:")
UNREFERRED = (disclosure, "if opener.waiting:", "if False:")
ANY_TYPE = (sd_jwt, 'if revealed.get("vct") not in issuer.entry.vct:', "if False:")
ANY_TIME = (sd_jwt, '    within("credential", start', '    _ = ("credential", start')
ANY_COUNT = (grant, "if len(tokens) != len(signatories):", "if False:")

OF_VERIFY = [
    cut(
        1,
        (sd_jwt, f'{NO_KEY_BINDING} != "":', f"{NO_KEY_BINDING} is None:"),
        frees="key_binding_jwt_appended",
    ),
    cut(1, (disclosure, "parse_json(b64url_decode(encoded))", LENIENT), frees="disclosure_in_sloppy_base64"),
    cut(
        2,
        ANY_ISSUER,
        (verify, "trust.issuers[credential.iss]", "next(iter(trust.issuers.values()))"),
        frees="credential_of_an_issuer_nobody_listed",
    ),
    cut(2, ANY_ISSUER, frees="trust_list_out_of_date", to=S.STATUS_UNAVAILABLE),
    cut(2, ANY_NAME, frees="issuer_name_that_is_no_text", to=S.ISSUER_UNTRUSTED),
    cut(2, ENDED, frees="trust_in_the_issuer_has_ended"),
    cut(3, UNSIGNED, frees="credential_signed_by_a_stranger other_token_of_the_issuer_passed_off"),
    cut(4, UNREFERRED, frees="foreign_template_slipped_in"),
    cut(5, ANY_TYPE, frees="credential_type_the_issuer_may_not_issue"),
    cut(6, ANY_TIME, frees="credential_expired credential_of_tomorrow credential_issued_in_the_future"),
    cut(
        7,
        (binding, "class FaceBinding(Wire):", 'class FaceBinding(Wire, extra="ignore"):'),
        frees="unknown_claim_in_the_credential",
    ),
    cut(
        7,
        (binding, "if not isinstance(value, str) or not _FULL_DATE.match(value):", "if False:"),
        (
            binding,
            "return date.fromisoformat(value)",
            "return date.fromtimestamp(int(value) / 1000) if value.isdigit() else date.fromisoformat(value)",
        ),
        frees="number_where_a_date_belongs",
    ),
    cut(
        7,
        (binding, "if len({(entry.model,", "if False and len({(entry.model,"),
        frees="two_templates_for_one_embedder",
    ),
    cut(
        7,
        (binding, "if len(set(value)) != len(value):", "if False:"),
        frees="status_entry_handed_out_twice",
    ),
    cut(
        8,
        (verify, "if not 0 < credential.exp - credential.iat <= MAX_LIFETIME:", "if False:"),
        frees="credential_that_lasts_too_long credential_that_ends_before_it_begins",
    ),
    cut(
        8,
        (verify, "credential.exp > majority(credential.birthdate)", "False"),
        frees="minor_s_credential_outlives_childhood",
    ),
    cut(9, (verify, "if minor and not credential.guardian:", "if False:"), frees="minor_without_a_guardian"),
    cut(
        9,
        (binding, "if len({holder.thumbprint,", "if False and len({holder.thumbprint,"),
        frees="minor_named_as_her_own_guardian one_guardian_named_twice",
        to=S.SIGNATURE_INVALID,
    ),
    cut(
        10,
        (verify, "return credential, _templates(credential, query)", "return credential, _NO_TEMPLATES"),
        frees="template_of_infinite_length template_scaled_to_match_everybody template_of_another_dimension",
    ),
    cut(
        11,
        (grant, "signatory.verify(token, typ=typ)", f"{PAYLOAD_OF}(token.split('.')[1])"),
        frees="grant_signed_by_the_requester",
    ),
    cut(
        11,
        (grant, "signatory.verify(token, typ=typ)", "signatory.verify(token, typ=None)"),
        frees="other_token_of_the_holder_passed_off",
    ),
    cut(11, (verify, "= credential.signatories(holder)", "= (holder,)"), frees="minor_grants_by_herself"),
    cut(11, ANY_COUNT, frees="one_of_two_guardians_did_not_sign"),
    cut(
        11,
        ANY_COUNT,
        (grant, "for token in tokens:", "for token in tokens[: len(signatories)]:"),
        frees="signature_of_a_bystander_added",
    ),
    cut(11, (grant, "waiting.remove(signer)", "pass"), frees="one_guardian_signed_twice"),
    cut(11, (grant, "if len(payloads) != 1:", "if False:"), frees="guardians_signed_different_grants"),
    cut(12, (grant, "tuple[Operation, ...]", "tuple[str, ...]"), frees="action_outside_the_closed_set"),
    cut(
        12,
        (grant, "class Constraints(Wire):", 'class Constraints(Wire, extra="ignore"):'),
        frees="constraint_nobody_understands",
    ),
    cut(12, (wire, "    parse_object(data)\n", ""), frees="duplicate_names_in_the_grant"),
    cut(
        12,
        (
            grant,
            "status: StatusClaim\n",
            f"status: StatusClaim = StatusClaim.model_validate_json('{ANY_ENTRY}')\n",
        ),
        ANYBODY_S_ENTRY,
        frees="grant_without_a_status_entry",
    ),
    cut(12, (grant, "if self.exp <= self.nbf:", "if False:"), frees="grant_that_ends_before_it_begins"),
    cut(12, (grant, "{22,128}", "{1,128}"), frees="guessable_grant_name"),
    cut(
        13, (verify, "if grant.cnf.jkt != found.subject:", "if False:"), frees="grant_that_names_another_key"
    ),
    cut(
        14,
        (verify, "if grant.vc_hash != found.credential_sha256:", "if False:"),
        frees="grant_of_another_credential birthdate_left_out_by_the_requester",
    ),
    cut(
        15,
        (verify, '    within("grant"', '    _ = ("grant"'),
        frees="grant_expired grant_of_tomorrow grant_signed_in_the_future",
    ),
    cut(
        16,
        (verify, "if query.audience not in grant.aud:", "if False:"),
        frees="grant_carried_to_another_service",
    ),
    cut(
        17,
        (verify, "if grant.grantee not in (who, ANYONE):", "if False:"),
        frees="grant_used_by_somebody_else stolen_self_grant_without_her_key "
        "stolen_self_grant_with_the_thief_s_key",
    ),
    cut(
        18,
        (verify, "    if not granted:", "    granted = granted or grant.actions()\n    if False:"),
        frees="grant_used_for_another_purpose",
    ),
    cut(
        19,
        (verify, "if grant.images and not (", "if False and not ("),
        frees="grant_carried_to_another_photo second_photo_beside_the_granted_one "
        "photo_bound_grant_without_any_photo",
    ),
    cut(
        20,
        (verify, "if not query.operations or not query.operations <= granted:", "if False:"),
        frees="operation_nobody_granted edit_that_says_it_does_nothing action_of_another_purpose_borrowed",
    ),
    cut(
        20,
        (verify, "if found.age is Age.MINOR and", "if False and"),
        frees="minor_grants_what_no_minor_can minor_hides_the_birthdate",
    ),
    cut(
        21,
        (verify, '    _not_revoked("credential", ', '    _ = ("credential", '),
        frees="credential_revoked credential_points_at_a_list_nobody_trusts",
    ),
    cut(
        22,
        (verify, '    _not_revoked("grant", ', '    _ = ("grant", '),
        frees="grant_withdrawn grant_points_beyond_the_list",
    ),
    cut(
        22,
        ANYBODY_S_ENTRY,
        frees="guardians_made_to_sign_what_they_cannot_withdraw grant_under_a_credential_without_entries",
    ),
    cut(
        22,
        (binding, "entry.uri == handed.uri and ", ""),
        frees="grant_under_the_same_place_of_another_list",
    ),
    cut(23, (verify, "if grant.max_uses and record", "if False and record"), frees="grant_used_up"),
    cut(
        24,
        (verify, "if _KEY.match(grant.grantee) and (not", "if False and (not"),
        frees="proof_used_a_second_time proof_without_a_nonce",
    ),
]

UNBOUND = (
    sd_jwt,
    "verified.holder.verify(binding, typ=BINDING_TYP))",
    f"{PAYLOAD_OF}(binding.split('.')[1]))",
)

OF_SD_JWT = [
    cut(
        1,
        (disclosure, "parse_json(b64url_decode(encoded))", LENIENT),
        frees="disclosure_spelled_in_sloppy_base64",
    ),
    cut(1, (sd_jwt, "if len(disclosures) > MAX_DISCLOSURES:", "if False:"), frees="flood_of_disclosures"),
    cut(1, (sd_jwt, "len(text) > MAX_TOKEN or ", ""), frees="disclosures_of_great_length"),
    cut(2, ANY_ISSUER, frees="issuer_nobody_listed trust_list_out_of_date"),
    cut(2, ANY_NAME, frees="issuer_name_that_is_no_text credential_without_an_issuer", to=S.ISSUER_UNTRUSTED),
    cut(2, ENDED, frees="trust_in_the_issuer_has_ended"),
    cut(
        3,
        UNSIGNED,
        frees="credential_signed_by_a_stranger credential_signed_by_its_holder "
        "other_token_of_the_issuer_passed_off credential_of_the_type_s_old_name "
        "claim_changed_under_the_signature",
    ),
    cut(4, UNREFERRED, frees="claim_slipped_in"),
    cut(
        4,
        (disclosure, "if len(opener.waiting) != len(disclosures):", "if False:"),
        frees="disclosure_given_twice",
    ),
    cut(
        4,
        (disclosure, " or (depth == 0 and entry.name in PLAIN_CLAIMS)", ""),
        frees="expiry_that_could_be_withheld",
    ),
    cut(5, ANY_TYPE, frees="credential_type_the_issuer_may_not_issue credential_without_a_type"),
    cut(6, ANY_TIME, frees="credential_expired credential_of_tomorrow credential_issued_in_the_future"),
    cut(
        6,
        (sd_jwt, 'raise malformed(f"{name} must be whole seconds")', "return 2**40"),
        frees="credential_without_an_end time_that_is_text",
    ),
    cut(6, (sd_jwt, " or isinstance(value, bool)", ""), frees="time_that_is_true"),
    cut(
        7,
        (sd_jwt, "    # 7. The holder's part.\n", "    if not binding:\n        return verified\n"),
        frees="key_binding_stripped",
    ),
    cut(
        7,
        (sd_jwt, "verify(binding, typ=BINDING_TYP)", "verify(binding, typ=None)"),
        frees="other_token_of_the_holder_passed_off",
    ),
    cut(
        7,
        (sd_jwt, "class _KeyBinding(Wire):", 'class _KeyBinding(Wire, extra="ignore"):'),
        frees="unknown_claim_in_the_key_binding",
    ),
    cut(
        7,
        (sd_jwt, "    aud: Text\n", "    aud: Text | list[Text]\n"),
        frees="key_binding_for_several_services",
        to=S.WRONG_AUDIENCE,
    ),
    cut(
        7,
        (sd_jwt, "    iat: Seconds\n", "    iat: Seconds = 1_800_000_000\n"),
        frees="key_binding_without_a_time",
    ),
    cut(7, UNBOUND, frees="credential_bound_to_no_key credential_bound_to_a_key_by_name"),
    cut(
        7,
        UNBOUND,
        frees="key_binding_signed_by_a_thief key_binding_signed_by_the_issuer "
        "key_binding_that_brings_its_key passkey_holder_s_credential_bound_by_a_jws "
        "passkey_used_with_nobody_looking",
    ),
    cut(
        8,
        (sd_jwt, "if bound.aud != audience:", "if False:"),
        frees="presentation_carried_to_another_service presentation_made_for_a_service_of_like_name",
    ),
    cut(
        9,
        (sd_jwt, "if not nonce or not secrets", "if False and not secrets"),
        frees="presentation_shown_again no_nonce_was_given_out",
    ),
    cut(
        10,
        (sd_jwt, 'if bound.sd_hash != _sd_hash(f"{unbound}~"):', "if False:"),
        frees="disclosure_left_out_after_binding disclosure_added_after_binding "
        "key_binding_of_her_other_credential",
    ),
    cut(
        11,
        (sd_jwt, '    within("key binding"', '    _ = ("key binding"'),
        frees="key_binding_kept_for_later key_binding_signed_ahead",
    ),
]

VERIFY = {param.values[2].__name__: param.values for param in test_verify.ATTACKS}
SD_JWT = {param.values[2].__name__: param.values for param in test_sd_jwt.ATTACKS}


def take_out(change: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the cut modules afresh and put them in the place of the whole ones."""
    for module in dict.fromkeys(place for place, _, _ in change.swaps):
        whole = text = Path(str(module.__file__)).read_text("utf-8")
        for place, old, new in change.swaps:
            if place is module:
                assert text.count(old) == 1, f"not one place in {module.__name__}: {old}"
                text = text.replace(old, new)
        fresh = ModuleType(module.__name__)
        monkeypatch.setitem(sys.modules, module.__name__, fresh)
        exec(compile(text, str(module.__file__), "exec"), fresh.__dict__)
        kept = set() if _classes(whole) != _classes(text) else {name for name, _ in _classes(whole)}
        _put_in_place(module, fresh, kept, monkeypatch)


def _classes(text: str) -> set[tuple[str, str]]:
    """The classes of a module, by name and text."""
    return {(node.name, ast.unparse(node)) for node in ast.parse(text).body if isinstance(node, ast.ClassDef)}


def _put_in_place(
    old: ModuleType, fresh: ModuleType, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What loaded modules took from the old one they have from the fresh one now, but for what is kept."""
    changed: dict[int, object] = {id(old): fresh}
    for name, value in vars(old).items():
        if getattr(value, "__module__", None) == old.__name__ and name not in kept:
            changed[id(value)] = vars(fresh)[name]
    for holder in list(sys.modules.values()):
        if holder is not fresh and getattr(holder, "__name__", "").startswith(OURS):
            for name, value in list(vars(holder).items()):
                if id(value) in changed:
                    monkeypatch.setattr(holder, name, changed[id(value)])


@pytest.mark.parametrize("change", OF_VERIFY, ids=lambda change: change.name)
def test_without_its_check_an_attack_on_verify_passes(change: Cut, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the check cut from the source its attacks no longer come to their status."""
    take_out(change, monkeypatch)
    for name, to in change.frees.items():
        check, status, attacking = VERIFY[name]
        world = ConsentWorld.make()
        result = attacking(world, world.person())
        assert (result.status, check) == (to, change.check), f"{name}: {result.detail}"
        assert status is not to


@pytest.mark.parametrize("change", OF_SD_JWT, ids=lambda change: change.name)
def test_without_its_check_an_attack_on_a_presentation_passes(
    change: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the check cut from the source its attacks no longer come to their status."""
    take_out(change, monkeypatch)
    for name, to in change.frees.items():
        check, status, attacking = SD_JWT[name]
        came = test_sd_jwt.came_to(attacking, test_sd_jwt.Desk.make())
        assert (came, check) == (to, change.check), name
        assert status is not to


@pytest.mark.parametrize(
    ("cuts", "attacks"), [(OF_VERIFY, VERIFY), (OF_SD_JWT, SD_JWT)], ids=["verify", "sd-jwt"]
)
def test_every_attack_is_set_free_by_a_cut(cuts: list[Cut], attacks: dict[str, tuple[object, ...]]) -> None:
    """No attack fixture is there that some cut does not show to bite, and no check without a cut."""
    assert sorted(name for change in cuts for name in change.frees) == sorted(attacks)
    assert {change.check for change in cuts} == {values[0] for values in attacks.values()}
