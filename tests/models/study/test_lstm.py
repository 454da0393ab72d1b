from dataclasses import replace

import numpy as np
import pytest
import torch

from models.generation.generator import Generator
from models.motion.features import positions_to_features
from models.network.checkpoint import Checkpoint
from models.network.transformer import Cache
from models.study.lstm import LstmNetwork
from tests.synthetic import swinging_figure


@pytest.fixture(scope="module")
def lstm(dancer: Checkpoint) -> LstmNetwork:
    torch.manual_seed(0)
    return LstmNetwork(dancer.network.config).eval()


def stream(lstm: LstmNetwork, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    config = lstm.config
    frames = torch.randn(2, length, config.input_size, generator=generator)
    labels = torch.rand(2, length, config.label_count, generator=generator)
    conditioning = torch.randn(2, length, config.conditioning_size, generator=generator)
    conditioning[0, 3:7] = torch.nan
    return frames, labels, conditioning


@torch.inference_mode()
@pytest.mark.parametrize("chunk", [1, 5])
def test_the_stream_equals_the_whole_sequence(lstm: LstmNetwork, chunk: int) -> None:
    frames, labels, conditioning = stream(lstm, 60)
    whole, _ = lstm(frames, labels, conditioning)
    cache: Cache | None = None
    for start in range(0, 60, chunk):
        part = slice(start, start + chunk)
        mixture, cache = lstm(frames[:, part], labels[:, part], conditioning[:, part], cache)
        for got, expected in zip(mixture, whole, strict=True):
            torch.testing.assert_close(got, expected[:, part], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_an_empty_cache_is_no_past_and_caches_have_one_size(lstm: LstmNetwork) -> None:
    without, cache = lstm(*stream(lstm, 5))
    with_cache, _ = lstm(*stream(lstm, 5), lstm.empty_cache(2))
    torch.testing.assert_close(with_cache.means, without.means)
    assert [part.shape for part in cache] == [part.shape for part in lstm.empty_cache(2)]


@torch.inference_mode()
def test_no_frame_sees_the_future(lstm: LstmNetwork) -> None:
    frames, labels, conditioning = stream(lstm, 20)
    before, _ = lstm(frames, labels, conditioning)
    frames[:, 12:] += 1.0
    after, _ = lstm(frames, labels, conditioning)
    torch.testing.assert_close(after.means[:, :12], before.means[:, :12])
    assert not torch.allclose(after.means[:, 12:], before.means[:, 12:])


@torch.inference_mode()
def test_only_the_frames_that_are_asked_for_are_answered(lstm: LstmNetwork) -> None:
    whole, _ = lstm(*stream(lstm, 9))
    some, _ = lstm(*stream(lstm, 9), None, slice(1, None, 2))
    torch.testing.assert_close(some.means, whole.means[:, 1::2])


def test_it_dances_where_the_transformer_does(dancer: Checkpoint, lstm: LstmNetwork) -> None:
    generator = Generator(replace(dancer, network=lstm), compiled=False)
    state = generator.prompt(generator.initial_state(2), positions_to_features(swinging_figure(60)))
    for _ in range(5):
        state = generator.step(state, np.eye(8, dtype=np.float32)[1])
    assert np.isfinite(state.positions).all() and state.tick == 5
