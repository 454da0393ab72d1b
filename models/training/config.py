"""What decides how a dancer turns out, besides the data and the code."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainConfig:
    """The numbers of one training run. What the shipped checkpoint was trained with stands in its card."""

    steps: int = 3_600
    batch: int = 32
    length: int = 128
    """frames of a window"""
    horizon: int = 8
    """frames that the network plans ahead"""
    target_count: int = 128
    """principal components of the plan that are kept"""
    width: int = 192
    layers: int = 4
    heads: int = 4
    context_length: int = 96
    components: int = 12
    dropout: float = 0.1
    input_noise: float = 0.6
    dagger_from: int = 1_000
    """the step from which the network also learns from its own dances"""
    dagger_every: int = 12
    """steps from one act of the dagger to the next"""
    dagger_share: float = 0.75
    """share of the windows that are pieces of its own dances"""
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 300
    ema_decay: float = 0.999
    """decay of the running mean of the weights, which is what is shipped"""
    seed: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that no run could use, before the run begins."""
        limits = {"horizon": 64, "context_length": 1024, "length": 480, "target_count": 52 * self.horizon}
        counts = ("batch", "width", "layers", "heads", "components", "dagger_every", "steps")
        for name in (*counts, *limits):
            value, most = getattr(self, name), limits.get(name, 2**31)
            if not 1 <= value <= most:
                raise ValueError(f"{name} is {value}; expected 1 to {most}")
        if self.width % (2 * self.heads):
            raise ValueError(f"width is {self.width}; expected a multiple of twice the heads, {2 * self.heads}")
        if not 0 <= self.dagger_share <= 1:
            raise ValueError(f"dagger_share is {self.dagger_share}; expected 0 to 1")
