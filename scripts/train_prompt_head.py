"""Train the prompt reader's heads: minutes on one CPU core, seeded, from the phrases in scripts/data.

First a third of the phrase groups (the same groups in every language) is kept aside and the figures on it are
printed as JSON; then the heads are trained on everything and written. The tests' held-out files are
never read.

    python scripts/train_prompt_head.py [--out FILE.npz] [--cache FILE.npz] [--no-report]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from prompt_disguises import in_disguise
from prompt_phrases import (
    OTHER_WORDS,
    WORDS,
    Phrase,
    everyday_words,
    is_aside,
    load_phrases,
    sentences,
    variants,
)
from scipy import sparse

from consent_edit.perception.prompt.heads import (
    OPERATION_ORDER,
    FirstHeads,
    PromptHeads,
    chance,
)
from consent_edit.perception.prompt.language import (
    BUCKETS,
    LANGUAGES,
    LETTERED,
    ngram_counts,
    word_hash,
    words_of,
)
from consent_edit.perception.prompt.names import name_signs
from consent_edit.perception.prompt.normalise import normalise
from consent_edit.perception.prompt.sentences import SentenceEncoder
from consent_edit.vocabulary import Intent, Operation

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "consent_edit" / "perception" / "weights" / "prompt_heads.npz"
SCALE = 3.0
LETTER_SCALE = 3.0
"""How much each kind of feature counts before the penalty. Letters beside the first embedding raised the area
under the curve over three folds of phrase groups from .92 to .945."""

NOT_TOLD_APART = ("fw.", "fe.", "mp.")
"""Phrase groups that languages are not learned from: they hold words in disguise, which belong to none, and
with them romanised Hindi read as known."""

Rows = NDArray[np.float32]
Embedded = dict[str, Rows]


class Features:
    """Blocks of columns side by side, dense or sparse, and a last column of ones."""

    def __init__(self, *blocks: Rows | sparse.csr_matrix) -> None:
        self.blocks = blocks
        self.ends = np.cumsum([block.shape[1] for block in blocks]).tolist()
        self.size = self.ends[-1] + 1
        self.count = blocks[0].shape[0]

    def times(self, weights: Rows) -> Rows:
        """Rows times weights (classes, size); (count, classes)."""
        starts = [0, *self.ends[:-1]]
        total = np.repeat(weights[None, :, -1], self.count, axis=0)
        for block, start, end in zip(self.blocks, starts, self.ends, strict=True):
            total = total + block @ np.ascontiguousarray(weights[:, start:end].T)
        return np.asarray(total, dtype=np.float32)

    def back(self, residual: Rows) -> Rows:
        """Transposed rows times a residual (count, classes); (classes, size)."""
        parts = [np.asarray(block.T @ residual).T for block in self.blocks]
        return np.concatenate([*parts, residual.sum(axis=0)[:, None]], axis=1)


def fit(
    features: Features,
    goal: Rows,
    l2: float,
    weight: NDArray[np.float64],
    steps: int = 250,
    *,
    exclusive: bool = False,
) -> Rows:
    """L2 logistic regression, a row a column of ``goal``, or of exclusive classes; the bias last."""
    w = np.zeros((goal.shape[1], features.size), dtype=np.float32)
    ahead, share = w.copy(), (weight / weight.sum()).astype(np.float32)[:, None]
    rate = np.float32(1.0 / _steepness(features, share))
    for step in range(steps):
        logits = features.times(ahead)
        if exclusive:
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
        else:
            p = 1.0 / (1.0 + np.exp(-np.clip(logits, -30, 30)))
        gradient = features.back((p - goal) * share)
        gradient[:, :-1] += l2 * ahead[:, :-1]
        following = ahead - rate * gradient
        ahead = following + np.float32(step / (step + 3)) * (following - w)
        w = following
    return w


def _steepness(features: Features, share: Rows) -> float:
    """The largest curvature of the loss, by a few power steps: how long a step may be."""
    vector = np.random.default_rng(0).standard_normal((1, features.size)).astype(np.float32)
    value = 1.0
    for _ in range(10):
        vector = features.back(features.times(vector) * share)
        value = float(np.linalg.norm(vector))
        vector /= value
    return 0.4 * value + 1e-3


def letters_of(texts: list[str]) -> sparse.csr_matrix:
    """Letter features as a sparse matrix."""
    found = [ngram_counts(text) for text in texts]
    ends = np.cumsum([0, *(len(places) for places, _ in found)])
    places = np.concatenate([p for p, _ in found])
    values = np.concatenate([v for _, v in found])
    return sparse.csr_matrix((values, places, ends), shape=(len(texts), BUCKETS), dtype=np.float32)


def balanced(keys: list[str], caps: dict[str, float] | None = None) -> NDArray[np.float64]:
    """Weights that give every key the same sum (times its entry in ``caps``), of mean 1."""
    count: dict[str, int] = {}
    for key in keys:
        count[key] = count.get(key, 0) + 1
    raw = np.array([(caps or {}).get(key, 1.0) / count[key] for key in keys])
    return raw * len(raw) / raw.sum()


def train(phrases: list[Phrase], embedded: Embedded) -> PromptHeads:
    """Fit every head on these phrases."""
    phrases = variants(phrases)
    known = [p for p in phrases if p.for_intent]
    known += in_disguise(known)
    told_apart = [p for p in phrases if not p.group.startswith(NOT_TOLD_APART)]
    language = np.asarray(train_language(told_apart), dtype=np.float32)
    return PromptHeads(train_first(known, embedded), language, known_words(told_apart))


def exposing_weights(known: list[Phrase]) -> NDArray[np.float64]:
    """How much each phrase counts: phrase groups alike, ordinary ones three times the others; mean 1."""
    by_group = np.sqrt(balanced([f"{p.language}:{p.group}" for p in known]))
    sides = balanced(["yes" if p.label != Intent.ORDINARY else "no" for p in known], {"no": 3.0})
    return by_group * sides / (by_group * sides).mean()


def train_first(known: list[Phrase], embedded: Embedded) -> FirstHeads:
    """Fit the heads over the first encoder; those over the second are trained with its layers."""
    letters = letters_of([p.text for p in known]) * LETTER_SCALE
    rows = np.stack([embedded[p.text] for p in known]).astype(np.float32) * SCALE
    width = rows.shape[1]

    def unscaled(w: Rows, letter: bool = False) -> Rows:
        """Weights for the features as they come: scales folded in."""
        w = w.astype(np.float64)
        w[:, :width] *= SCALE
        if letter:
            w[:, width : width + BUCKETS] *= LETTER_SCALE
        return np.asarray(w, dtype=np.float32)

    by_group = np.sqrt(balanced([f"{p.language}:{p.group}" for p in known]))
    exposing = _column(p.label != Intent.ORDINARY for p in known)
    shows = fit(Features(rows, letters), exposing, 2e-5, exposing_weights(known), 500)
    some = exposing[:, 0] > 0
    sexual = _column(p.label == Intent.SEXUAL for p in known)
    severe = fit(Features(rows[some]), sexual[some], 2e-3, by_group[some])
    with_ops = np.array([bool(p.operations) for p in known])
    wanted = np.concatenate(
        [_column(o.value in p.operations for p in known) for o in OPERATION_ORDER], axis=1
    )
    asked = fit(Features(rows[with_ops]), wanted[with_ops], 2e-4, by_group[with_ops])
    signs = name_signs([p.text for p in known])
    who = fit(Features(rows, letters, signs), _column(p.named for p in known), 2e-5, by_group, 400)
    return FirstHeads(
        unscaled(shows, letter=True)[0], unscaled(severe)[0], unscaled(asked), unscaled(who, letter=True)[0]
    )


def _column(values: Iterable[bool]) -> Rows:
    return np.array([[float(value)] for value in values], dtype=np.float32)


def known_words(phrases: list[Phrase]) -> NDArray[np.uint32]:
    """Sorted hashes of every word of the known languages' phrases and everyday words, without names."""
    ours = [p for p in phrases if p.for_intent and p.language in LANGUAGES and not p.named]
    words = {w for p in ours for w in words_of(normalise(p.text))}
    words |= {w for locale in WORDS.values() for word in everyday_words(locale) for w in words_of(word)}
    return np.unique(np.array([word_hash(word) for word in words], dtype=np.uint32))


def train_language(phrases: list[Phrase]) -> Rows:
    """Fit the language head; known languages weigh the same, all others together 1.6 times as much."""
    names = [*LETTERED, "other"]
    pairs = {(normalise(p.text), p.language) for p in phrases if p.language in names}
    pairs |= {(text, language) for language, locale in WORDS.items() for text in sentences(locale)}
    pairs |= {(text, "other") for locale in OTHER_WORDS for text in sentences(locale)[:150]}
    texts = sorted(pairs)
    target = np.eye(len(names), dtype=np.float32)[[names.index(language) for _, language in texts]]
    weight = balanced([language for _, language in texts], {"other": 1.6})
    return fit(Features(letters_of([text for text, _ in texts])), target, 1e-6, weight, 500, exclusive=True)


def report(heads: PromptHeads, aside: list[Phrase], embedded: Embedded) -> dict[str, object]:
    """Figures of the first encoder's heads alone, without the lexicon, on phrases not trained on."""
    figures: dict[str, object] = {}
    for language in LANGUAGES:
        own = [p for p in aside if p.language == language and p.for_intent]
        bad = np.array([p.label != Intent.ORDINARY for p in own])
        named = np.array([p.named for p in own])
        rows = np.stack([embedded[p.text] for p in own])
        figures[language] = {"phrases": len(own), "exposing": int(bad.sum()), "named": int(named.sum())}
        figures[language] |= _figures(heads.first, rows, own, bad, named)
    return figures


def _figures(
    head: FirstHeads, rows: Rows, own: list[Phrase], bad: NDArray[np.bool_], named: NDArray[np.bool_]
) -> dict[str, float]:
    texts = [p.text for p in own]
    exposing = chance(head.exposing_of(rows, texts))
    names = chance(head.names_of(rows, texts))
    ops = chance(head.operations_of(rows))
    hits = [
        ops[i, OPERATION_ORDER.index(Operation(p.operations[0]))] > 0.5
        for i, p in enumerate(own)
        if p.operations
    ]
    return {
        "caught_at_.5": round(float((exposing[bad] > 0.5).mean()), 4),
        "false_hits_at_.5": round(float((exposing[~bad] > 0.5).mean()), 4),
        "first_operation_found": round(float(np.mean(hits)), 4),
        "names_found": round(float((names[named] > 0.5).mean()), 4) if named.any() else -1.0,
        "false_names": round(float((names[~named] > 0.5).mean()), 4),
    }


def write(heads: PromptHeads, out: Path) -> str:
    """Write the heads as a compressed npz of half-precision arrays; returns its SHA-256."""
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"first.{part}": getattr(heads.first, part).astype(np.float16)
        for part in ("exposing", "sexual", "operations", "names")
    }
    np.savez_compressed(
        out, **arrays, language=heads.language.astype(np.float16), vocabulary=heads.vocabulary
    )
    return hashlib.sha256(out.read_bytes()).hexdigest()


def embed(texts: list[str], cache: Path | None) -> Embedded:
    """The first encoder's row for every text; those in the cache are not made again."""
    have: Embedded = {}
    if cache is not None and cache.exists():
        with np.load(cache, allow_pickle=False) as held:
            have = dict(zip(held["texts"].tolist(), held["rows"], strict=True))
    new = [text for text in texts if text not in have]
    if new:
        print(f"{len(new)} texts to embed", file=sys.stderr)
        encoder = SentenceEncoder()
        for start in range(0, len(new), 256):
            some = new[start : start + 256]
            have |= dict(zip(some, encoder.embed(some), strict=True))
        if cache is not None:
            kept = list(have)
            np.savez(cache, texts=np.array(kept), rows=np.stack([have[t] for t in kept]).astype(np.float16))
    return have


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cache", type=Path, help="keep the embeddings here between runs")
    parser.add_argument("--no-report", action="store_true", help="only train on everything and write")
    args = parser.parse_args()
    phrases = load_phrases()
    known = [p for p in variants(phrases) if p.for_intent]
    texts = sorted({p.text for p in (*known, *in_disguise(known))})
    print(f"{len(phrases)} phrases, {len(texts)} texts", file=sys.stderr)
    embedded = embed(texts, args.cache)
    figures: dict[str, object] = {}
    if not args.no_report:
        trial = train([p for p in phrases if not is_aside(p.group)], embedded)
        figures = report(trial, [p for p in phrases if is_aside(p.group)], embedded)
    digest = write(train(phrases, embedded), args.out)
    size = args.out.stat().st_size
    print(json.dumps({"aside": figures, "written": args.out.name, "sha256": digest, "bytes": size}, indent=1))


if __name__ == "__main__":
    main()
