"""The network to compare the transformer with: an LSTM with the same inputs, head and interface.

Stacked LSTMs with a mixture-density head made dance in chor-rnn (Crnkovic-Friis & Crnkovic-Friis 2016,
arXiv:1605.06921) and in Pettee et al. 2019, arXiv:1907.05297. The cell is that of
Hochreiter & Schmidhuber 1997 with the forget gate of Gers, Schmidhuber & Cummins 2000.
"""

import torch
from torch import Tensor, nn

from models.network.mixture import Mixture
from models.network.transformer import Cache, MotionNetwork, NetworkConfig


class LstmNetwork(MotionNetwork):
    """`layers` LSTMs of `width`; the heads and the span of the configuration mean nothing to it.

    Its cache is one state of all of the past: `keys` are the hidden states (layers, B, C), `values` the cells.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        dropout = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(config.width, config.width, config.layers, batch_first=True, dropout=dropout)
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
        x = self.frame_in(frames) + self.condition(label_weights, conditioning)  # (B, T, C)
        past = cache or self.empty_cache(len(frames))
        # In bfloat16 a state that is added to for minutes would lose what is small.
        with torch.autocast(x.device.type, enabled=False):
            x, (hidden, cells) = self.lstm(x.float(), (past.keys, past.values))
        return self.mixture(x[:, output_frames]), Cache(hidden, cells, past.valid)

    def empty_cache(self, count: int) -> Cache:
        """As `MotionNetwork.empty_cache`."""
        device = self.label_embedding.device
        state = torch.zeros(self.config.layers, count, self.config.width, device=device)
        return Cache(state, state.clone(), torch.ones(1, dtype=torch.bool, device=device))
