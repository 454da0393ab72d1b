import pytest
import torch

from models.network.checkpoint import Checkpoint
from models.network.conditioning import CONDITIONING_SIZE
from models.network.transformer import Cache


def random_stream(dancer: Checkpoint, length: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    config = dancer.network.config
    frames = torch.randn(2, length, config.input_size, generator=generator)
    labels = torch.rand(2, length, config.label_count, generator=generator)
    conditioning = torch.randn(2, length, CONDITIONING_SIZE, generator=generator)
    conditioning[0, 3:7, 0] = torch.nan
    conditioning[1, 5:, 1:] = torch.nan
    return frames, labels / labels.sum(-1, keepdim=True), conditioning


@torch.inference_mode()
@pytest.mark.parametrize("chunk", [1, 5])
def test_the_cached_stream_equals_the_whole_sequence(dancer: Checkpoint, chunk: int) -> None:
    frames, labels, conditioning = random_stream(dancer, 60)  # many times the span
    whole, _ = dancer.network(frames, labels, conditioning)
    cache: Cache | None = None
    for start in range(0, 60, chunk):
        part = slice(start, start + chunk)
        mixture, cache = dancer.network(frames[:, part], labels[:, part], conditioning[:, part], cache)
        for got, expected in zip(mixture, whole, strict=True):
            torch.testing.assert_close(got, expected[:, part], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("length", [1, 5, 100])
def test_a_cache_has_one_size_and_knows_what_it_holds(dancer: Checkpoint, length: int) -> None:
    _, cache = dancer.network(*random_stream(dancer, length))
    span = dancer.network.config.context_length
    assert [part.shape for part in cache] == [part.shape for part in dancer.network.empty_cache(2)]
    assert cache.valid.tolist() == [place >= span - 1 - length for place in range(span - 1)]


@torch.inference_mode()
def test_an_empty_cache_is_no_past(dancer: Checkpoint) -> None:
    stream = random_stream(dancer, 5)
    with_cache, _ = dancer.network(*stream, dancer.network.empty_cache(2))
    without, _ = dancer.network(*stream)
    torch.testing.assert_close(with_cache.means, without.means, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_no_frame_sees_the_future(dancer: Checkpoint) -> None:
    frames, labels, conditioning = random_stream(dancer, 20)
    before, _ = dancer.network(frames, labels, conditioning)
    frames[:, 12:] += 1.0
    after, _ = dancer.network(frames, labels, conditioning)
    torch.testing.assert_close(after.means[:, :12], before.means[:, :12])
    assert not torch.allclose(after.means[:, 12:], before.means[:, 12:])


def test_emotion_and_wish_reach_every_block(dancer: Checkpoint) -> None:
    network = dancer.network
    frames, labels, conditioning = random_stream(dancer, 8)
    mixture, _ = network(frames, labels, conditioning)
    mixture.means.sum().backward()
    for block in network.blocks:
        assert block.modulation.weight.grad.abs().sum() > 0
    assert network.label_embedding.grad.abs().sum() > 0
    network.zero_grad()
