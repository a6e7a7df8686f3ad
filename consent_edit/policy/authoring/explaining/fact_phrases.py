"""Each fact as a person would say it after "if", in English and French: data, and how to put it together.

``{who}`` stands for the person and ``{of_who}`` for her with the preposition of the language. The French is
inclusive: it speaks of « la personne ».
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from consent_edit.policy.authoring.explaining.nearest_change import Change
from consent_edit.policy.explain import Language
from consent_edit.policy.facts import Facts
from consent_edit.vocabulary import PersonKind, Recognisable

ORDINALS: Final = (
    ("first", "première"),
    ("second", "deuxième"),
    ("third", "troisième"),
    ("fourth", "quatrième"),
    ("fifth", "cinquième"),
    ("sixth", "sixième"),
    ("seventh", "septième"),
    ("eighth", "huitième"),
    ("ninth", "neuvième"),
    ("tenth", "dixième"),
)
UNSEEN: Final = ("somebody nobody found as a person", "une personne qu'aucun contrôle n'a repérée")
KINDS: Final = {
    PersonKind.POSSIBLE_FACE: (" (perhaps a face)", " (peut-être un visage)"),
    PersonKind.BODY: (" (no face to be seen)", " (sans visage visible)"),
}
TOO_SMALL: Final = (" (too small to recognise)", " (trop petite pour être reconnue)")

STAGES: Final = {
    "request": ("at the request", "à la demande"),
    "input": ("at the input", "à l'entrée"),
    "preview": ("at the preview", "à l'aperçu"),
    "output": ("at the output", "à la sortie"),
}

SEVERAL: Final = ("if all of this were so:", "si tout ceci était réuni :")
_LINE: Final = "\n  - "

_CONSENT: Final = "the consent of {who} to this edit were {}"
_CONSENTEMENT: Final = "le consentement {of_who} à cette retouche {}"


def _of_consent(english: str, french: str) -> tuple[str, str]:
    return _CONSENT.replace("{}", english), _CONSENTEMENT.replace("{}", french)


WORDS: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("stage", "request"): ("this were the request", "il s'agissait de la demande"),
    ("stage", "input"): ("this were the input", "il s'agissait de l'entrée"),
    ("stage", "preview"): ("this were the preview", "il s'agissait de l'aperçu"),
    ("stage", "output"): ("this were the output", "il s'agissait de la sortie"),
    ("checks", "complete"): ("every check gave an answer", "tous les contrôles donnaient une réponse"),
    ("checks", "incomplete"): ("a check gave no answer", "un contrôle ne donnait pas de réponse"),
    ("environment", "production"): ("this ran in production", "le service fonctionnait en production"),
    ("environment", "demo"): ("this were the demo", "il s'agissait de la démonstration"),
    ("kind", "face"): ("a face of {who} were found", "un visage était repéré pour {who}"),
    ("kind", "possible_face"): (
        "perhaps a face of {who} were found",
        "un visage était peut-être repéré pour {who}",
    ),
    ("kind", "body"): ("only the body of {who} were found", "seul le corps {of_who} était repéré"),
    ("kind", "unseen"): ("{who} were not found", "{who} n'était pas repérée"),
    ("recognisable", "yes"): ("{who} could be recognised", "{who} pouvait être reconnue"),
    ("recognisable", "no"): ("{who} could not be recognised", "{who} ne pouvait pas être reconnue"),
    ("consent", "verified"): _of_consent("verified", "était vérifié"),
    ("consent", "absent"): _of_consent("absent", "était absent"),
    ("consent", "malformed"): _of_consent("in no form that can be read", "était illisible"),
    ("consent", "signature_invalid"): _of_consent("wrongly signed", "portait une signature invalide"),
    ("consent", "issuer_untrusted"): _of_consent(
        "from an issuer nobody trusts here", "venait d'un émetteur non reconnu ici"
    ),
    ("consent", "not_yet_valid"): _of_consent("not valid yet", "n'était pas encore valable"),
    ("consent", "expired"): _of_consent("expired", "était expiré"),
    ("consent", "revoked"): _of_consent("withdrawn", "était retiré"),
    ("consent", "status_unavailable"): _of_consent(
        "of a status nobody can establish", "avait un statut impossible à établir"
    ),
    ("consent", "wrong_grantee"): _of_consent("given to somebody else", "était donné à quelqu'un d'autre"),
    ("consent", "wrong_audience"): _of_consent(
        "given for another service", "était donné pour un autre service"
    ),
    ("consent", "wrong_purpose"): _of_consent(
        "given for another purpose", "était donné pour une autre finalité"
    ),
    ("consent", "wrong_image"): _of_consent("given for another photo", "était donné pour une autre photo"),
    ("consent", "out_of_scope"): _of_consent("too narrow for it", "ne la couvrait pas"),
    ("consent", "exhausted"): _of_consent("used up", "était épuisé"),
    ("consent", "replayed"): _of_consent("presented once before", "avait déjà été présenté"),
    ("assurance", "simulated"): (
        "the identity of {who} were only simulated",
        "l'identité {of_who} n'était que simulée",
    ),
    ("assurance", "none"): (
        "nobody had checked the identity of {who}",
        "l'identité {of_who} n'était pas vérifiée",
    ),
    ("assurance", "self_asserted"): (
        "{who} alone vouched for that identity",
        "l'identité {of_who} n'était que déclarée",
    ),
    ("assurance", "low"): (
        "the identity of {who} were checked at level low or above",
        "l'identité {of_who} était vérifiée au niveau faible ou au-dessus",
    ),
    ("assurance", "substantial"): (
        "the identity of {who} were checked at level substantial or above",
        "l'identité {of_who} était vérifiée au niveau substantiel ou au-dessus",
    ),
    ("assurance", "high"): (
        "the identity of {who} were checked at level high",
        "l'identité {of_who} était vérifiée au niveau élevé",
    ),
    ("age", "adult"): ("{who} were shown to be an adult", "{who} était attestée majeure"),
    ("age", "minor"): ("{who} were a minor", "{who} était mineure"),
    ("age", "undetermined"): ("the age of {who} were not shown", "l'âge {of_who} n'était pas attesté"),
    ("exposure", "none"): ("the picture showed {who} clothed", "la photo montrait {who} vêtue"),
    ("exposure", "suggestive"): (
        "the picture showed {who} in swimwear at most",
        "la photo montrait {who} tout au plus en maillot de bain",
    ),
    ("exposure", "nude"): ("the picture showed {who} unclothed", "la photo montrait {who} dévêtue"),
    ("exposure", "explicit"): (
        "the picture showed {who} in an intimate way",
        "la photo montrait {who} de façon intime",
    ),
    ("exposure", "undetermined"): (
        "nobody could tell how {who} is dressed",
        "on ne pouvait dire comment {who} est vêtue",
    ),
    ("exposure_change", "none"): (
        "the edit left {who} as dressed as before",
        "la retouche laissait {who} aussi vêtue qu'avant",
    ),
    ("exposure_change", "increased"): (
        "the edit showed more of {who} than before",
        "la retouche montrait davantage {of_who} qu'avant",
    ),
    ("exposure_change", "undetermined"): (
        "nobody could tell whether more of {who} is shown",
        "on ne pouvait dire si la retouche montre davantage {of_who}",
    ),
    ("intent", "ordinary"): (
        "the prompt asked in plain words for nothing revealing of {who}",
        "la demande, en mots simples, ne cherchait pas à dénuder {who}",
    ),
    ("intent", "revealing"): (
        "the prompt asked to make {who} more revealing",
        "la demande cherchait à dénuder davantage {who}",
    ),
    ("intent", "sexual"): ("the prompt sexualised {who}", "la demande sexualisait {who}"),
    ("intent", "undetermined"): (
        "nobody could tell what the prompt asks of {who}",
        "on ne pouvait dire ce que la demande vise pour {who}",
    ),
    ("photo", "exact"): (
        "the consent of {who} named this very photo",
        "le consentement {of_who} désignait cette photo même",
    ),
    ("photo", "none"): (
        "the consent of {who} did not name this photo",
        "le consentement {of_who} ne désignait pas cette photo",
    ),
    ("identity_kept", "same"): (
        "{who} still looked entirely like themselves",
        "{who} restait pleinement reconnaissable",
    ),
    ("identity_kept", "altered"): (
        "{who} still looked recognisably like themselves",
        "{who} restait reconnaissable",
    ),
    ("identity_kept", "foreign"): (
        "{who} looked like somebody else",
        "{who} prenait le visage de quelqu'un d'autre",
    ),
    ("identity_kept", "undetermined"): (
        "nobody could tell whether {who} still looks the same",
        "on ne pouvait dire si {who} reste reconnaissable",
    ),
    ("named_person", "none"): ("the prompt named nobody", "la demande ne nommait personne"),
    ("named_person", "covered"): (
        "a consent in this request covered the person named",
        "un consentement de cette requête couvrait la personne nommée",
    ),
    ("named_person", "uncovered"): (
        "the prompt named a person whom no consent covers",
        "la demande nommait une personne qu'aucun consentement ne couvre",
    ),
}
"""Every word of every fact of one word."""

OPERATIONS: Final[dict[str, tuple[str, str]]] = {
    "background": ("the background", "l'arrière-plan"),
    "object": ("objects", "les objets"),
    "clothing": ("clothing", "les vêtements"),
    "swimwear": ("swimwear", "les maillots de bain"),
    "hair": ("hair", "la chevelure"),
    "makeup": ("make-up", "le maquillage"),
    "expression": ("the expression", "l'expression"),
    "pose": ("the pose", "la pose"),
    "age": ("the apparent age", "l'âge apparent"),
    "body": ("the body", "le corps"),
    "face_swap": ("a face swap", "l'échange de visages"),
    "stylise": ("the style of the whole", "le style de l'ensemble"),
    "restore": ("repair of the whole picture", "la restauration de toute la photo"),
    "tone": ("the tone of the whole picture", "le ton de toute la photo"),
}
REGIONS: Final[dict[str, tuple[str, str]]] = {
    "face": ("face", "le visage"),
    "hair": ("hair", "la chevelure"),
    "body": ("body", "le corps"),
    "undetermined": ("parts nobody could tell", "des parties impossibles à déterminer"),
}

SETS: Final[dict[str, tuple[str, str]]] = {
    "operations": ("the edit concerned {words} and nothing else", "la retouche ne portait que sur {words}"),
    "granted": (
        "the consent of {who} also named {words}",
        "le consentement {of_who} prévoyait aussi {words}",
    ),
    "touched": ("the edit touched {words} of {who}", "la retouche touchait chez {who} {words}"),
}
EMPTY: Final[dict[str, tuple[str, str]]] = {
    "operations": ("the edit changed nothing", "la retouche ne changeait rien"),
    "granted": ("the consent of {who} named nothing", "le consentement {of_who} ne prévoyait rien"),
    "touched": ("the edit left {who} untouched", "la retouche laissait {who} intacte"),
}


def person_words(facts: Facts, index: int, language: Language) -> str:
    """Who somebody is, in words that serve wherever she is named."""
    french = language == "fr"
    person = facts.persons[index]
    if person.kind is PersonKind.UNSEEN:
        return UNSEEN[french]
    if index < len(ORDINALS):
        name = f"la {ORDINALS[index][1]} personne" if french else f"the {ORDINALS[index][0]} person"
    else:
        name = f"la personne {index + 1}" if french else f"person {index + 1}"
    small = person.kind is PersonKind.FACE and person.recognisable is Recognisable.NO
    return name + (TOO_SMALL[french] if small else KINDS.get(person.kind, ("", ""))[french])


def change_words(facts: Facts, change: Change, language: Language) -> str:
    """What would be otherwise, as it is said after "if" or « si »."""
    french = language == "fr"
    who = person_words(facts, max(change.person, 0), language)
    of_who = f"d'{who}" if who[0] in "aeiouh" else f"de {who}"
    if not isinstance(change.word, frozenset):
        said = WORDS[change.fact, change.word.value][french]
    elif not change.word:
        said = EMPTY[change.fact][french]
    else:
        said = SETS[change.fact][french]
    words = ""
    if isinstance(change.word, frozenset):
        table = REGIONS if change.fact == "touched" else OPERATIONS
        before = facts.persons[change.person].granted if change.fact == "granted" else frozenset()
        words = _and([table[word.value][french] for word in sorted(change.word - before)], language)
    return said.format(who=who, of_who=of_who, words=words)


def _and(words: Sequence[str], language: Language) -> str:
    joint = " et " if language == "fr" else " and "
    return joint.join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def changes_words(facts: Facts, changes: Sequence[Change], language: Language) -> str:
    """What would have to be otherwise, to the end of the sentence: one thing, or a line each."""
    french = language == "fr"
    said = [change_words(facts, change, language) for change in changes]
    if len(said) > 1:
        return f"{SEVERAL[french]}{''.join(f'{_LINE}{clause}' for clause in said)}"
    (clause,) = said
    if not french:
        return f"if {clause}."
    clause = clause.replace("la retouche ", "elle ", 1) if clause.startswith("la retouche ") else clause
    return f"s'{clause}." if clause.startswith("il ") else f"si {clause}."
