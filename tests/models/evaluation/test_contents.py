import numpy as np
import pytest
import torch

from models.evaluation.contents import NearestContents, effective_number, precision_recall, shares_of
from models.motion.features import turn
from tests.synthetic import swinging_figure


def test_movement_is_nearest_to_the_content_it_was_made_of_wherever_it_stands() -> None:
    slow, quick = swinging_figure(120, rate=0.4), swinging_figure(120, rate=1.7)
    known = NearestContents.fit([slow, quick], ["slow", "quick"])
    elsewhere = turn(quick, np.full((120, 1), 2.0)) + np.array([3.0, 0.0, -1.0])
    found = known.nearest(elsewhere.astype(np.float32))
    assert len(found) == 3 and set(found) == {"quick"}
    assert shares_of(np.concatenate([found, known.nearest(slow)])) == {"quick": 0.5, "slow": 0.5}


def test_clips_under_two_seconds_have_no_content() -> None:
    with pytest.raises(ValueError, match="two seconds"):
        NearestContents.fit([swinging_figure(59)], ["short"])
    known = NearestContents.fit([swinging_figure(90)], ["swing"])
    assert len(known.nearest(swinging_figure(59))) == 0


@pytest.mark.parametrize(
    ("shares", "number"),
    [([1.0], 1.0), ([0.5, 0.5], 2.0), ([0.25] * 4, 4.0), ([1.0, 0.0], 1.0), ([3.0, 3.0], 2.0)],
)
def test_the_effective_number_counts_contents_of_equal_share(shares: list[float], number: float) -> None:
    assert effective_number(np.array(shares)) == pytest.approx(number)


def test_an_uneven_mixture_counts_less_than_an_even_one() -> None:
    assert 1.0 < effective_number(np.array([0.9, 0.05, 0.05])) < 2.0


def test_what_stays_in_a_corner_of_the_real_is_precise_and_covers_little() -> None:
    rng = np.random.default_rng(0)
    real = torch.from_numpy(rng.uniform(-1, 1, (300, 2)))
    corner = torch.from_numpy(rng.uniform(0.5, 1, (300, 2)))
    far = real + 10.0
    precision, recall = precision_recall(corner, real)
    assert precision > 0.9 and recall < 0.4
    assert precision_recall(far, real) == (0.0, 0.0)
    same = torch.from_numpy(rng.uniform(-1, 1, (300, 2)))
    assert min(precision_recall(same, real)) > 0.8
