"""Train the upper layers of the second sentence encoder on edit prompts: an hour on one CPU core, seeded.

The layers below stay as their carrier ships them, so what they make of each phrase is computed once. Four
things are learned together: does the text ask for exposure, is that sexual, does it name a person, and which
operations it asks for. The tests' files are never read.

    python scripts/train_prompt_encoder.py [--rounds N] [--rate R] [--out FILE.npz]

The shipped layers come of it in four steps: three rounds from the encoder as its carrier ships it (A, with
one more round at a lower rate over everyday phrases), one over all phrases with later ones and disguises
among them (B), one over the minimal pairs beside others (C), and the mean of these, C counted twice:

    python scripts/train_prompt_encoder.py --start A.npz --rounds 1 --rate 1.5e-4 --out B.npz
    python scripts/train_prompt_encoder.py --start B.npz --new mp. --others 22000 --rounds 1 --rate 8e-5 \\
        --out C.npz
    python scripts/train_prompt_encoder.py --mean A.npz B.npz C.npz C.npz
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from prompt_disguises import in_disguise
from prompt_phrases import Phrase, load_phrases, variants
from torch import Tensor, nn
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    gelu,
    layer_norm,
    scaled_dot_product_attention,
)
from train_prompt_head import exposing_weights

from consent_edit.perception.models.lock import ModelFile
from consent_edit.perception.models.store import ModelStore
from consent_edit.perception.prompt.clauses import clauses
from consent_edit.perception.prompt.e5 import E5
from consent_edit.perception.prompt.heads import OPERATION_ORDER
from consent_edit.perception.prompt.normalise import normalise
from consent_edit.perception.prompt.sentences_second import SECOND_ROLE
from consent_edit.perception.prompt.transformer import HEADS, Layer, Weighted
from consent_edit.perception.prompt.tuned import (
    ANSWERS,
    FIRST_TUNED,
    LAYERS,
    TUNED_ROLE,
    WIDTH,
    Tuned,
    pack,
    unpack,
)
from consent_edit.vocabulary import Intent

OUT = Path(__file__).resolve().parents[1] / "consent_edit" / "perception" / "weights" / "prompt_layers.npz"
SEED = 20261
NAMED = 2500
"""So many phrases with names are enough: they stand in for one kind of ordinary request each."""

CLAUSES = 0.35
"""Share of the clauses of ordinary phrases that are learned as ordinary ones of their own."""

MOST = 15
"""Of a phrase group about so many wordings; patterns make more of one kind than people do."""

BATCH = 48
LONGEST = 64
DROPPED = 0.1
PARTS = ("attend", "gather", "gather_norm", "widen", "narrow", "norm")


class Trained(nn.Module):
    """A layer of the encoder with weights that can be trained."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        for name in PARTS:
            weights, plus = getattr(layer, name)
            setattr(self, f"{name}_w", nn.Parameter(torch.from_numpy(weights.copy())))
            setattr(self, f"{name}_b", nn.Parameter(torch.from_numpy(plus.copy())))
        self.drop = nn.Dropout(DROPPED)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(texts, pieces, width) to the same; the mask (texts, pieces) is true where a piece is."""
        texts, pieces, width = x.shape
        mixed = (x @ self.attend_w + self.attend_b).view(texts, pieces, 3, HEADS, width // HEADS)
        query, key, value = mixed.permute(2, 0, 3, 1, 4)
        seen = scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        seen = seen.permute(0, 2, 1, 3).reshape(texts, pieces, width)
        x = self._normed("gather_norm", x + self.drop(seen @ self.gather_w + self.gather_b))
        wide = gelu(x @ self.widen_w + self.widen_b)
        return self._normed("norm", x + self.drop(wide @ self.narrow_w + self.narrow_b))

    def _normed(self, name: str, x: Tensor) -> Tensor:
        weights, plus = getattr(self, f"{name}_w"), getattr(self, f"{name}_b")
        return layer_norm(x, (x.shape[-1],), weights, plus, 1e-12)

    def plain(self) -> Layer:
        """As the package runs it."""
        pairs = {
            name: tuple(getattr(self, f"{name}_{part}").detach().numpy().copy() for part in "wb")
            for name in PARTS
        }
        return Layer(**pairs)


def training_phrases() -> list[Phrase]:
    """Every phrase once as the reader sees it, normalised, some in disguise as well; clauses of ordinary ones
    are ordinary too."""
    rng = random.Random(SEED)
    known = [p for p in variants(load_phrases()) if p.for_intent]
    named = [p for p in known if p.named]
    kept = [p for p in known if not p.named] + rng.sample(named, min(NAMED, len(named)))
    once = {(normalise(p.text), p.label): p for p in reversed(kept)}
    phrases = [replace(p, text=text) for (text, _), p in once.items()]
    have = {p.text for p in phrases}
    for p in list(phrases):
        if p.label == Intent.ORDINARY and len(p.text) > 25:
            for clause in clauses(p.text):
                if clause not in have and rng.random() < CLAUSES:
                    have.add(clause)
                    phrases.append(replace(p, text=clause, operations=()))
    rng.shuffle(phrases)
    seen: Counter[tuple[str, str]] = Counter()
    for p in phrases:
        seen[p.language, p.group] += 1
    few = [
        p
        for p in phrases
        if seen[p.language, p.group] <= MOST or rng.random() < MOST / seen[p.language, p.group]
    ]
    return few + in_disguise(few)


def batch_of(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Texts of (pieces, width) side by side, with their mask."""
    longest = max(len(row) for row in rows)
    x = torch.zeros(len(rows), longest, WIDTH)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for number, row in enumerate(rows):
        x[number, : len(row)] = row.float()
        mask[number, : len(row)] = True
    return x, mask


def beside(phrases: list[Phrase], new: str, others: int) -> list[Phrase]:
    """All phrases of the groups that begin so, and some of the rest, so that those are not forgotten."""
    fresh = [p for p in phrases if p.group.startswith(new)]
    rest = [p for p in phrases if not p.group.startswith(new)]
    rng = random.Random(SEED)
    mixed = fresh + rng.sample(rest, min(others, len(rest)))
    rng.shuffle(mixed)
    return mixed


def below(encoder: E5, texts: list[str]) -> list[Tensor]:
    """What the layers that stay make of each text, half precision, the longest texts cut at 64 pieces."""
    found: list[Tensor] = []
    for start in range(0, len(texts), 32):
        x, spans = encoder.below(texts[start : start + 32])
        found += [torch.from_numpy(x[span][:LONGEST].astype(np.float16)) for span in spans]
    return found


class Goals:
    """What each phrase should be read as, and how much it counts."""

    def __init__(self, phrases: list[Phrase]) -> None:
        self.exposing = _column(p.label != Intent.ORDINARY for p in phrases)
        self.sexual = _column(p.label == Intent.SEXUAL for p in phrases)
        self.named = _column(p.named for p in phrases)
        self.asks = _column(bool(p.operations) for p in phrases)
        self.operations = torch.stack(
            [_column(o.value in p.operations for p in phrases) for o in OPERATION_ORDER], dim=1
        )
        self.weight = torch.from_numpy(exposing_weights(phrases).astype(np.float32))

    def loss(self, said: Tensor, at: NDArray[np.intp]) -> Tensor:
        """Of the answers (n, 3 + operations) to some phrases; exposure counts most."""
        exposing, asks = self.exposing[at], self.asks[at]
        sexual = binary_cross_entropy_with_logits(said[:, 1], self.sexual[at], reduction="none")
        operations = binary_cross_entropy_with_logits(said[:, 3:], self.operations[at], reduction="none")
        return (
            binary_cross_entropy_with_logits(said[:, 0], exposing, self.weight[at])
            + 0.3 * (sexual * exposing).sum() / exposing.sum().clamp(min=1)
            + 0.1 * binary_cross_entropy_with_logits(said[:, 2], self.named[at])
            + 0.5 * (operations.mean(dim=1) * asks).sum() / asks.sum().clamp(min=1)
        )


def _column(values: Iterator[bool]) -> Tensor:
    return torch.tensor([float(value) for value in values])


def train(
    layers: Sequence[Layer],
    heads: Weighted | None,
    rows: list[Tensor],
    goals: Goals,
    rounds: int,
    rate: float,
) -> Iterator[Tuned]:
    """Layers and heads after each of some rounds over all rows; the rate rises over 200 steps, then falls."""
    torch.manual_seed(SEED)
    top = nn.ModuleList(Trained(layer) for layer in layers)
    head = nn.Sequential(nn.Dropout(0.2), nn.Linear(WIDTH, ANSWERS))
    if heads is not None:
        head[1].weight.data = torch.from_numpy(heads[0].T.copy())
        head[1].bias.data = torch.from_numpy(heads[1].copy())
    rates = (rate, 10 * rate)
    descent = torch.optim.AdamW(
        [{"params": part.parameters(), "lr": own} for part, own in zip((top, head), rates, strict=True)],
        weight_decay=0.02,
    )
    total, step = rounds * (len(rows) // BATCH), 0
    for turn in range(rounds):
        for at in batches([len(row) for row in rows], turn):
            share = min(1.0, (step + 1) / 200) * max(0.02, 1 - step / (total + 1))
            for group, own in zip(descent.param_groups, rates, strict=True):
                group["lr"] = own * share
            x, mask = batch_of([rows[i] for i in at])
            with torch.autocast("cpu", torch.bfloat16):
                for layer in top:
                    x = layer(x, mask)
            means = (x.float() * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True)
            loss = goals.loss(head(means), at)
            descent.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(top.parameters(), 1.0)
            descent.step()
            step += 1
            if step % 200 == 0:
                print(f"step {step} of {total}, loss {loss.item():.3f}", file=sys.stderr)
        last = head[1]
        weights = np.ascontiguousarray(last.weight.detach().numpy().T)
        yield Tuned(tuple(layer.plain() for layer in top), (weights, last.bias.detach().numpy().copy()))


def batches(sizes: list[int], turn: int) -> list[NDArray[np.intp]]:
    """All rows in random batches of nearly equal length."""
    order = np.random.default_rng([SEED, turn]).permutation(len(sizes))
    lengths, found = np.array(sizes), []
    for part in np.array_split(order, max(1, len(order) // 4096)):
        by_length = part[np.argsort(lengths[part], kind="stable")]
        found += [by_length[i : i + BATCH] for i in range(0, len(by_length), BATCH)]
    random.Random(f"{SEED}:{turn}").shuffle(found)
    return found


def read(file: Path) -> Tuned:
    """Trained layers as a round wrote them."""
    return unpack(ModelFile(TUNED_ROLE, file, "", file.read_bytes()))


def mean(several: Sequence[Tuned]) -> Tuned:
    """Layers and heads, each number the mean of the several's."""

    def of(pairs: Sequence[Weighted]) -> Weighted:
        weights, plus = zip(*pairs, strict=True)
        return np.mean(weights, axis=0, dtype=np.float32), np.mean(plus, axis=0, dtype=np.float32)

    layers = tuple(
        Layer(**{name: of([getattr(one.layers[number], name) for one in several]) for name in PARTS})
        for number in range(len(several[0].layers))
    )
    return Tuned(layers, of([one.heads for one in several]))


def main() -> None:
    """Train and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--start", type=Path, help="trained layers to go on from")
    parser.add_argument("--new", default="", help="only groups that begin so, beside --others of the rest")
    parser.add_argument("--others", type=int, default=25_000)
    parser.add_argument("--mean", type=Path, nargs="+", help="train nothing: write the mean of these files")
    args = parser.parse_args()
    if args.mean:
        np.savez(args.out, **pack(mean([read(file) for file in args.mean])))
        print(hashlib.sha256(args.out.read_bytes()).hexdigest(), args.out)
        return
    torch.set_num_threads(1)
    data = ModelStore().load(SECOND_ROLE).data
    phrases = training_phrases()
    if args.new:
        phrases = beside(phrases, args.new, args.others)
    start = None if args.start is None else read(args.start)
    print(f"{len(phrases)} phrases", file=sys.stderr)
    rows = below(E5(data, FIRST_TUNED), [p.text for p in phrases])
    first = E5(data, LAYERS).layers[FIRST_TUNED:] if start is None else start.layers
    heads = None if start is None else start.heads
    for trained in train(first, heads, rows, Goals(phrases), args.rounds, args.rate):
        np.savez(args.out, **pack(trained))
        print("a round is done and written", file=sys.stderr)
    print(hashlib.sha256(args.out.read_bytes()).hexdigest(), args.out)


if __name__ == "__main__":
    main()
