"""The sentences people read for each reason code, in English and French: data only, used by explain.py.

Each entry is (English sentence, French sentence, English remedy, French remedy). A sentence says what
happened, a remedy what would help; neither says anything about whether a person is known here.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Wording: TypeAlias = tuple[str, str, str, str]

ASK_CONSENT: Final = (
    "Ask the person depicted for a signed consent that names you, this service, the operation and the "
    "purpose.",
    "Demandez à la personne représentée un consentement signé qui vous nomme, ainsi que ce service, "
    "l'opération et la finalité.",
)
_OTHER_PICTURE: Final = (
    "No setting or consent changes this; choose another edit or another picture.",
    "Aucun réglage ni consentement n'y change rien ; choisissez une autre retouche ou une autre photo.",
)
_TRY_LATER: Final = (
    "Try again; if it stays so, the operator must repair the check before anything can leave.",
    "Réessayez ; si cela persiste, l'exploitant doit rétablir le contrôle avant toute sortie.",
)

OTHERS: Final = (
    "Or have everybody else made unrecognisable (EditRequest.anonymise='bystanders') or cut off "
    "(EditRequest.crop='bystanders').",
    "Ou faites rendre tous les autres méconnaissables (EditRequest.anonymise='bystanders') ou recadrez sans "
    "eux (EditRequest.crop='bystanders').",
)
"""What helps where somebody's consent counts and others' is missing."""

PUT_BACK: Final = (
    "Or have them put back after the edit as they were (EditRequest.preserve='bystanders').",
    "Ou faites remettre ces personnes telles qu'elles étaient (EditRequest.preserve='bystanders').",
)
"""What helps where an edit repainted people who cannot be asked."""

FLOOR: Final[dict[str, Wording]] = {
    "floor.checks-incomplete": (
        "A check that must run gave no answer, so nothing leaves.",
        "Un contrôle obligatoire n'a pas donné de réponse : rien ne sort.",
        *_TRY_LATER,
    ),
    "floor.consent-required": (
        "The picture shows a recognisable person whose verified consent is missing.",
        "La photo montre une personne reconnaissable dont le consentement vérifié manque.",
        *ASK_CONSENT,
    ),
    "floor.hands-off": (
        "The edit would repaint somebody who cannot be recognised and so cannot be asked.",
        "La retouche repeindrait une personne qu'on ne peut reconnaître, donc à qui on ne peut demander.",
        "Limit the edit to the tone or the background of the whole picture, or use one that shows the face.",
        "Limitez-vous au ton ou à l'arrière-plan de toute la photo, ou prenez-en une où le visage se voit.",
    ),
    "floor.nudity-of-real-person": (
        "The checks see nudity of a real person, or cannot rule it out; it never leaves, consent or not.",
        "Les contrôles voient la nudité d'une personne réelle, ou ne peuvent l'exclure ; elle ne sort "
        "jamais, même avec consentement.",
        *_OTHER_PICTURE,
    ),
    "floor.sexual-intent": (
        "The prompt asks to sexualise a real person, or cannot be read with confidence.",
        "La demande cherche à sexualiser une personne réelle, ou ne peut être comprise avec certitude.",
        "Say in plain words what should change; sexual edits of real people are never made.",
        "Dites simplement ce qui doit changer ; une personne réelle n'est jamais sexualisée.",
    ),
    "floor.sexualised-minor": (
        "Somebody in the picture is not shown to be an adult, so nobody in it is made more revealing.",
        "Une personne de la photo n'est pas attestée majeure : personne n'y est davantage dénudé.",
        "Ask for an edit that leaves everybody as dressed as they are.",
        "Demandez une retouche qui laisse chacun habillé comme il l'est.",
    ),
    "floor.foreign-identity": (
        "The result shows a face that no consent in this request covers.",
        "Le résultat montre un visage qu'aucun consentement de cette requête ne couvre.",
        "Ask for an edit that keeps each face the consenting person's own.",
        "Demandez une retouche où chaque visage demeure celui de la personne consentante.",
    ),
    "floor.photo-required": (
        "This kind of edit needs a consent given for this very photo, and a face swap one from both people.",
        "Ce type de retouche exige un consentement donné pour cette photo même, et de chacun des deux "
        "pour un échange de visages.",
        "Ask each person depicted for a consent that names this photo.",
        "Demandez à chaque personne représentée un consentement qui désigne cette photo.",
    ),
}

CONSENT: Final[dict[str, Wording]] = {
    "consent.required": (
        "Somebody in the picture has not given a consent that covers this edit.",
        "Une personne de la photo n'a pas donné de consentement couvrant cette retouche.",
        *ASK_CONSENT,
    ),
    "consent.absent": (
        "No consent of this person was presented.",
        "Aucun consentement de cette personne n'a été présenté.",
        *ASK_CONSENT,
    ),
    "consent.malformed": (
        "The consent presented is not in a form that can be read.",
        "Le consentement présenté est illisible.",
        "Present the consent exactly as the wallet issued it.",
        "Présentez le consentement tel que le portefeuille l'a émis.",
    ),
    "consent.signature_invalid": (
        "The consent's signature does not hold; it was altered or signed with another key.",
        "La signature du consentement ne tient pas ; il a été modifié ou signé d'une autre clé.",
        "Present the consent exactly as the wallet issued it.",
        "Présentez le consentement tel que le portefeuille l'a émis.",
    ),
    "consent.issuer_untrusted": (
        "The consent's issuer is not on this service's trust list.",
        "L'émetteur du consentement ne figure pas sur la liste de confiance de ce service.",
        "The person needs a credential from an identity verifier that this service trusts.",
        "La personne doit obtenir une attestation d'un vérificateur d'identité reconnu ici.",
    ),
    "consent.assurance_insufficient": (
        "The consent holds, but its issuer did not check the person's identity well enough for this service.",
        "Le consentement tient, mais l'identité n'a pas été vérifiée assez sûrement pour ce service.",
        "The person needs a credential of assurance low or above from a trusted identity verifier.",
        "La personne doit obtenir une attestation de niveau faible au moins d'un vérificateur reconnu.",
    ),
    "consent.not_yet_valid": (
        "The consent is not valid yet.",
        "Le consentement n'est pas encore valable.",
        "Wait until it is, or ask for another.",
        "Attendez qu'il le soit, ou demandez-en un autre.",
    ),
    "consent.expired": (
        "The consent has expired.",
        "Le consentement a expiré.",
        "Ask the person for a new one.",
        "Demandez-en un nouveau à la personne.",
    ),
    "consent.revoked": (
        "The person has withdrawn this consent.",
        "La personne a retiré ce consentement.",
        "Respect the withdrawal; only a new consent of hers would change it.",
        "Respectez ce retrait ; seul un nouveau consentement de sa part y changerait quelque chose.",
    ),
    "consent.status_unavailable": (
        "Whether the consent was withdrawn cannot be established.",
        "On ne peut établir si le consentement a été retiré.",
        "Try again when the status service can be reached.",
        "Réessayez quand le service de statut sera joignable.",
    ),
    "consent.wrong_grantee": (
        "The consent was given to somebody else.",
        "Le consentement a été donné à quelqu'un d'autre.",
        *ASK_CONSENT,
    ),
    "consent.wrong_audience": (
        "The consent was given for another service.",
        "Le consentement a été donné pour un autre service.",
        *ASK_CONSENT,
    ),
    "consent.wrong_purpose": (
        "The consent was given for another purpose.",
        "Le consentement a été donné pour une autre finalité.",
        *ASK_CONSENT,
    ),
    "consent.wrong_image": (
        "The consent was given for another photo.",
        "Le consentement a été donné pour une autre photo.",
        "Ask the person depicted for a consent that names this photo.",
        "Demandez à la personne représentée un consentement qui désigne cette photo.",
    ),
    "consent.out_of_scope": (
        "The consent does not cover this operation.",
        "Le consentement ne couvre pas cette opération.",
        "Ask for an operation that the consent names, or for a wider consent.",
        "Demandez une opération que le consentement prévoit, ou un consentement plus large.",
    ),
    "consent.exhausted": (
        "The consent has been used as often as it allows.",
        "Le consentement a été utilisé autant de fois qu'il le permet.",
        "Ask the person for a new one.",
        "Demandez-en un nouveau à la personne.",
    ),
    "consent.replayed": (
        "The consent was presented before and cannot be presented again.",
        "Le consentement a déjà été présenté et ne peut l'être à nouveau.",
        "Present a fresh one.",
        "Présentez-en un nouveau.",
    ),
}

POLICY_FALLBACK: Final[Wording] = (
    "A rule of this service's own policy refuses the edit.",
    "Une règle propre à ce service refuse la retouche.",
    "Ask the operator which edits this service makes.",
    "Demandez à l'exploitant quelles retouches ce service réalise.",
)
NOT_PERMITTED: Final[Wording] = (
    "Nothing in this service's policy permits the edit.",
    "Rien dans la politique de ce service n'autorise la retouche.",
    *POLICY_FALLBACK[2:],
)
INPUT_FALLBACK: Final[Wording] = (
    "What was handed in cannot be used.",
    "Ce qui a été fourni est inutilisable.",
    "Hand in a complete JPEG, PNG or WebP picture within the limits.",
    "Fournissez une image JPEG, PNG ou WebP complète et dans les limites.",
)
ENGINE_FAILED: Final[Wording] = (
    "The decision itself could not be taken, so nothing leaves.",
    "La décision elle-même n'a pu être prise : rien ne sort.",
    *_TRY_LATER,
)
RESTRICTION_FAILED: Final[Wording] = (
    "A restriction of this service's own gave no usable answer, so nothing leaves.",
    "Une restriction propre à ce service n'a pas donné de réponse exploitable : rien ne sort.",
    *_TRY_LATER,
)
CHECK_FALLBACK: Final[Wording] = (
    "A part that the checks need is missing or broke, so nothing leaves.",
    "Un élément nécessaire aux contrôles manque ou a failli : rien ne sort.",
    *_TRY_LATER,
)
UNKNOWN: Final[Wording] = (
    "The edit is refused.",
    "La retouche est refusée.",
    "Ask the operator for the decision record.",
    "Demandez à l'exploitant l'enregistrement de la décision.",
)

CHECK_NAMES: Final[dict[str, tuple[str, str]]] = {
    "face-detection": ("face detection", "la détection des visages"),
    "face-embedding": ("the first face comparison", "le premier rapprochement des visages"),
    "face-embedding-second": ("the second face comparison", "le second rapprochement des visages"),
    "body-detection": ("the search for bodies without a face", "la recherche de corps sans visage"),
    "apparent-age": ("the age signal", "l'indice d'âge"),
    "exposure": ("the exposure check", "le contrôle de nudité"),
    "prompt-intent": ("the reading of the prompt", "la lecture de la demande"),
    "change": ("the measure of what changed", "le relevé de ce qui a changé"),
}
CHECK_OUTCOMES: Final[dict[str, tuple[str, str]]] = {
    "missing": ("is missing", "est absent"),
    "failed": ("failed", "a échoué"),
    "timed_out": ("did not answer in time", "n'a pas répondu à temps"),
}
