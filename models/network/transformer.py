"""The dancer's network: a causal transformer over frames with a mixture-density head.

A token is one frame: its pose and its last step, in the units of `models.network.motion_space`. Every block is
modulated by what the dancer is asked for, a mix of label embeddings plus the conditioning (encoded speed,
motion descriptor, kind), through adaptive layer norm (Peebles & Xie 2022, arXiv:2212.09748). Attention reaches
`context_length` frames back and no further, with rotary positions (Su et al. 2021, arXiv:2104.09864), so a
stream can be continued for ever from a cache of `context_length` keys and values and gives the same numbers as
the whole sequence at once.

Shapes: B batch, T frames, C width, L labels, K mixture components, Z target dimensions.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.network.mixture import Mixture

MIN_LOG_SCALE = -2.3
"""A floor under the deviations, a tenth of the data's: the likelihood of clips that are visible again and again
would grow without bound (Bishop 1994, section 4), and who is that sure of standing still never moves again."""


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the network."""

    input_size: int
    """numbers a frame that go in: pose and step"""
    target_count: int
    """Z, numbers a frame that come out: a plan of the coming steps in whitened coordinates"""
    conditioning_size: int
    """A, numbers of a conditioning, what is asked for beside the label: see `models.network.conditioning`"""
    label_count: int
    """L, emotions and other styles that the network was trained to tell apart"""
    width: int
    layers: int
    heads: int
    context_length: int
    """frames that attention reaches back, the present one included"""
    components: int
    """K"""
    dropout: float


class Cache(NamedTuple):
    """Keys and values of the last `context_length` - 1 frames, oldest first; a plain value of constant size.

    Where there were fewer frames the first places are empty: zeros, which `valid` says to leave out.
    """

    keys: Tensor  # (layers, B, heads, span - 1, C / heads), not rotated
    values: Tensor  # the same
    valid: Tensor  # (span - 1,) bool


def rotary_angles(length: int, head_width: int) -> Tensor:
    """Angles (length, head_width / 2) for positions 0 .. length - 1."""
    rates = 1000.0 ** (-torch.arange(0, head_width, 2) / head_width)
    return torch.arange(length)[:, None] * rates


class RotaryTable(NamedTuple):
    """Cosines and signed sines (T, D) of the angles of T positions, as `rotate` takes them."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def of(cls, length: int, head_width: int) -> "RotaryTable":
        """Of the positions 0 .. length - 1."""
        angles = rotary_angles(length, head_width)
        cos, sin = angles.cos(), angles.sin()
        return cls(torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1))


def rotate(x: Tensor, rotary: RotaryTable) -> Tensor:
    """Rotate pairs of channels d and d + D / 2 of x (..., T, D), the last T of the positions of `rotary`."""
    length = x.shape[-2]
    cos, sin = rotary.cos[-length:].to(x.dtype), rotary.sin[-length:].to(x.dtype)
    return x * cos + x.roll(x.shape[-1] // 2, dims=-1) * sin


class Attention(nn.Module):
    """Causal self-attention over the last `span` frames."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self, x: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor, rotary: RotaryTable
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, T, C) after `past` keys and values (B, heads, P, D); mask (T, P + T), 0 where to look and
        minus infinity elsewhere; `rotary` of P + T positions.

        Keys are kept unrotated and turned by their place in this window: only differences of position matter,
        and so no position ever grows, however long the dance.
        """
        batch, length, width = x.shape
        heads = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = heads.permute(2, 0, 3, 1, 4)  # each (B, heads, T, D)
        if past is not None:
            k, v = torch.cat([past[0], k], dim=2), torch.cat([past[1], v], dim=2)
        q, turned = rotate(q, rotary), rotate(k, rotary)
        if torch.is_grad_enabled():
            # With a mask torch's fused kernel takes a fifth longer on a CPU, most of it going back.
            alike = (q / math.sqrt(width // self.heads)) @ turned.mT + mask
            y = alike.softmax(dim=-1).to(v.dtype) @ v
        else:
            # Going forward alone it takes a third less, the more dancers the less.
            y = functional.scaled_dot_product_attention(q, turned, v, attn_mask=mask.to(q.dtype))
        return self.out(y.transpose(1, 2).reshape(batch, length, width)), (k, v)


class Block(nn.Module):
    """Attention and MLP, each behind a layer norm whose scale and shift the condition sets."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.attention = Attention(config)
        self.attention_norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.mlp_norm = nn.LayerNorm(config.width, elementwise_affine=False)
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 4 * config.width),
            nn.GELU(),
            nn.Linear(4 * config.width, config.width),
            nn.Dropout(config.dropout),
        )
        self.modulation = nn.Linear(config.width, 4 * config.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(
        self,
        x: Tensor,
        condition: Tensor,
        past: tuple[Tensor, Tensor] | None,
        mask: Tensor,
        rotary: RotaryTable,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (B, T, C) under a condition (B, T, C), and keys and values to keep; the rest as in `Attention`."""
        scale_a, shift_a, scale_m, shift_m = self.modulation(condition).chunk(4, dim=-1)
        attended, kept = self.attention(self.attention_norm(x) * (1 + scale_a) + shift_a, past, mask, rotary)
        x = x + attended
        return x + self.mlp(self.mlp_norm(x) * (1 + scale_m) + shift_m), kept


class MotionNetwork(nn.Module):
    """Frames and what is asked for in, a mixture over the plan of the coming steps out.

    What all networks share: how a frame and a conditioning come in, and the head.
    """

    norm: nn.LayerNorm
    head: nn.Linear

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.frame_in = nn.Linear(config.input_size, config.width)
        self.label_embedding = nn.Parameter(0.02 * torch.randn(config.label_count, config.width))
        self.conditioning_in = nn.Sequential(
            nn.Linear(2 * config.conditioning_size, config.width),
            nn.SiLU(),
            nn.Linear(config.width, config.width),
        )

    def add_head(self) -> None:
        """The last part, once the parts before it are there."""
        self.norm = nn.LayerNorm(self.config.width)
        self.head = nn.Linear(self.config.width, self.config.components * (2 * self.config.target_count + 1))
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.zero_()

    def forward(
        self,
        frames: Tensor,
        label_weights: Tensor,
        conditioning: Tensor,
        cache: Cache | None = None,
        output_frames: slice = slice(None),
    ) -> tuple[Mixture, Cache]:
        """One mixture for each of the `output_frames` frames, and the cache to continue from.

        frames (B, T, input_size); label_weights (B, T, L), rows that sum to 1, or to 0 for "any label";
        conditioning (B, T, A), NaN for "any"; cache from the call that ended right before these frames.
        """
        raise NotImplementedError

    def empty_cache(self, count: int) -> Cache:
        """The cache of `count` dancers who have no past."""
        raise NotImplementedError

    def condition(self, label_weights: Tensor, conditioning: Tensor) -> Tensor:
        """What is asked for as one vector a frame (B, T, C)."""
        known = torch.isfinite(conditioning)
        heard = torch.cat(
            [torch.where(known, conditioning, 0.0), known.to(conditioning.dtype)], dim=-1
        )  # (B, T, 2 A)
        return label_weights @ self.label_embedding + self.conditioning_in(heard)

    def mixture(self, x: Tensor) -> Mixture:
        """The mixture that the last layer's x (B, T, C) says."""
        raw = self.head(self.norm(x)).float()
        count, size = self.config.components, self.config.target_count
        logits, means, scales = raw.split([count, count * size, count * size], dim=-1)
        shape = (*raw.shape[:-1], count, size)
        # tanh keeps the likelihood from exploding in the first steps.
        log_scales = 4.0 * torch.tanh(scales.view(shape) / 4.0) - 0.5
        return Mixture(
            functional.log_softmax(logits, dim=-1), means.view(shape), log_scales.clamp(min=MIN_LOG_SCALE)
        )


class MotionTransformer(MotionNetwork):
    """The transformer."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        rotary = RotaryTable.of(config.context_length, config.width // config.heads)
        self.register_buffer("cos", rotary.cos, persistent=False)
        self.register_buffer("sin", rotary.sin, persistent=False)
        self.add_head()

    def forward(
        self,
        frames: Tensor,
        label_weights: Tensor,
        conditioning: Tensor,
        cache: Cache | None = None,
        output_frames: slice = slice(None),
    ) -> tuple[Mixture, Cache]:
        """As `MotionNetwork.forward`."""
        condition = self.condition(label_weights, conditioning)
        x = self.frame_in(frames) + condition
        condition = functional.silu(condition)
        visible = self._visible(frames, cache)
        mask = torch.zeros_like(visible, dtype=x.dtype).masked_fill(~visible, -torch.inf)
        rotary = self._rotary(visible.shape[-1])
        pairs = []
        for layer, block in enumerate(self.blocks):
            past = None if cache is None else (cache.keys[layer], cache.values[layer])
            x, pair = block(x, condition, past, mask, rotary)
            pairs.append(pair)
        return self.mixture(x[:, output_frames]), self._kept(pairs, visible[-1])

    def empty_cache(self, count: int) -> Cache:
        config, device = self.config, self.label_embedding.device
        shape = (config.layers, count, config.heads, config.context_length - 1, config.width // config.heads)
        known = torch.zeros(config.context_length - 1, dtype=torch.bool, device=device)
        return Cache(torch.zeros(shape, device=device), torch.zeros(shape, device=device), known)

    def _rotary(self, length: int) -> RotaryTable:
        """Of `length` positions; those of a span are kept, for a step is short and shall not work them out."""
        if length <= self.config.context_length:
            return RotaryTable(self.cos[:length], self.sin[:length])
        rotary = RotaryTable.of(length, self.config.width // self.config.heads)
        return RotaryTable(rotary.cos.to(self.cos.device), rotary.sin.to(self.sin.device))

    def _visible(self, frames: Tensor, cache: Cache | None) -> Tensor:
        """Where each of T frames may look (T, P + T): the present frame and span - 1 before it, if known."""
        length, total = frames.shape[1], frames.shape[1]
        if cache is not None and length == 1:
            return functional.pad(cache.valid, (0, 1), value=True)[None]
        if cache is not None:
            total += self.config.context_length - 1
        place = torch.arange(total, device=frames.device)
        age = place[total - length :, None] - place  # (T, P + T), frames between the one and the other
        visible = (age >= 0) & (age < self.config.context_length)
        if cache is not None:
            visible = visible & functional.pad(cache.valid, (0, length), value=True)
        return visible

    def _kept(self, pairs: list[tuple[Tensor, Tensor]], visible: Tensor) -> Cache:
        """The last `context_length` - 1 frames of each layer's keys and values; what the last frame saw is
        known."""
        count, total = self.config.context_length - 1, len(visible)
        first, missing = max(total - count, 0), max(count - total, 0)

        def last(parts: list[Tensor]) -> Tensor:
            kept = torch.stack([part[:, :, first:] for part in parts])
            return functional.pad(kept, (0, 0, missing, 0)) if missing else kept  # padding by nothing copies

        known = functional.pad(visible[first:], (missing, 0), value=False)
        return Cache(last([keys for keys, _ in pairs]), last([values for _, values in pairs]), known)
