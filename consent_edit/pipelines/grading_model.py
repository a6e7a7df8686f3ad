"""The network of the built-in editor: a FiLM MLP that denoises sliders, and readers of what was asked."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn

TIME_FEATURES = 32
EMBEDDING_SCALE, WORD_SCALE = 8.0, 2.0


def _time_features(timestep: Tensor) -> Tensor:
    """Sinusoids of a timestep in [0, 1000): (batch,) -> (batch, 2 * TIME_FEATURES)."""
    rates = torch.exp(torch.linspace(0.0, 6.0, TIME_FEATURES, device=timestep.device)) / 1000
    angles = timestep.float()[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class _FilmBlock(nn.Module):
    """A residual layer whose features are scaled and shifted by the condition."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.film = nn.Linear(width, 2 * width)
        self.mix = nn.Linear(width, width)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, dim=-1)
        out: Tensor = hidden + self.mix(nn.functional.silu(self.norm(hidden) * (1 + scale) + shift))
        return out


class GradingDenoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]  # diffusers is untyped
    """Predicts the clean sliders from noisy ones, and reads which looks a sentence asks for.

    Args:
        sliders: How many colour sliders.
        sentence: Dimension of the sentence embedding.
        words: How many word features follow the embedding.
        statistics: How many picture statistics.
        width: Width of the hidden layers.
        depth: How many FiLM blocks.
        looks: How many looks the readers know; one more output says "something else".
        readers: How many readers there are, each to be trained on other phrases; where they differ is doubt.
        reader_width: Width of a reader's hidden layer.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(  # noqa: PLR0917  # diffusers configurations are flat
        self,
        sliders: int = 17,
        sentence: int = 512,
        words: int = 42,
        statistics: int = 15,
        width: int = 192,
        depth: int = 3,
        looks: int = 25,
        readers: int = 6,
        reader_width: int = 96,
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(sliders, width)
        self.read_sentence = nn.Linear(sentence + words, width)
        self.read_statistics = nn.Linear(statistics, width)
        self.read_time = nn.Linear(2 * TIME_FEATURES, width)
        self.settle = nn.Linear(width, width)
        self.layers = nn.ModuleList(_FilmBlock(width) for _ in range(depth))
        self.leave = nn.Linear(width, sliders)
        self.reader_list = nn.ModuleList(
            nn.Sequential(
                nn.Linear(sentence + words, reader_width),
                nn.GELU(),
                nn.Dropout(0.3),
                nn.Linear(reader_width, looks + 1),
            )
            for _ in range(readers)
        )

    def forward(self, sample: Tensor, timestep: Tensor, sentence: Tensor, statistics: Tensor) -> Tensor:
        """The clean sliders.

        Args:
            sample: (batch, sliders) noisy sliders in the model's scale.
            timestep: (batch,) in [0, 1000).
            sentence: (batch, 512 + words) sentence embeddings of unit norm, and word features.
            statistics: (batch, 15) picture statistics.

        Returns:
            (batch, sliders) in the model's scale.
        """
        joined = (
            self.read_sentence(self._scaled(sentence))
            + self.read_statistics(statistics)
            + self.read_time(_time_features(timestep).to(sample.dtype))
        )
        condition = self.settle(nn.functional.silu(joined))
        hidden = self.enter(sample)
        for block in self.layers:
            hidden = block(hidden, condition)
        out: Tensor = self.leave(nn.functional.silu(hidden))
        return out

    def _scaled(self, sentence: Tensor) -> Tensor:
        """Embedding and words in like scale: a unit vector's 512 entries are about 1/23 each."""
        embedding, words = torch.tensor_split(sentence, (int(self.config.sentence),), dim=-1)
        return torch.cat([embedding * EMBEDDING_SCALE, words * WORD_SCALE], dim=-1)

    def read_logits(self, sentence: Tensor) -> Tensor:
        """Each reader's logits: (batch, 512 + words) -> (readers, batch, looks + 1)."""
        return torch.stack([reader(self._scaled(sentence)) for reader in self.reader_list])

    def read(self, sentence: Tensor) -> Tensor:
        """Probability of each look, and last of "something else": (batch, 512 + words) -> (batch, looks + 1).

        The mean over the readers, each asked twice: with the embedding, and by the words alone. The embedding
        carries the topic, the words the polarity; where they differ the mean is in the middle: doubt. Whether
        it is something else is a matter of topic: the words alone have no say in it.
        """
        words_alone = sentence.clone()
        words_alone[:, : self.config.sentence] = 0
        whole = self.read_logits(sentence).sigmoid().mean(dim=0)
        by_words = self.read_logits(words_alone).sigmoid().mean(dim=0)
        return torch.cat([(whole[:, :-1] + by_words[:, :-1]) / 2, whole[:, -1:]], dim=1)
