"""The dancer turns to whoever has come, softly, and about itself."""

import numpy as np
import pytest

from engine.render.face_visitor import FaceVisitor
from models.motion.features import heading, turn
from tests.synthetic import swinging_figure

PLACE = np.array([1.0, 0.0, -0.5])
FIGURE = swinging_figure(1)[0]
FIGURE = (FIGURE - FIGURE[0] * [1, 0, 1]).astype(np.float32)


def headings(facing: FaceVisitor, away: float, seconds: float, visitor: bool) -> np.ndarray:
    """Where a dancer who stands turned away by an angle is seen to look, in radians, sixty times a second."""
    body = (turn(FIGURE, np.array(away)) + PLACE).astype(np.float32)
    shown = [facing.turned(body, visitor, 1 / 60) for _ in range(round(seconds * 60))]
    np.testing.assert_allclose([one[0] for one in shown], np.broadcast_to(body[0], (len(shown), 3)), atol=1e-5)
    np.testing.assert_allclose(shown[-1][:, 1], body[:, 1], atol=1e-5)
    return np.unwrap([float(heading(one)) for one in shown])


@pytest.mark.parametrize("away", [-2.6, -0.7, 0.0, 1.5, 3.1])
def test_who_is_turned_away_comes_round_to_the_visitor_without_a_jump(away: float) -> None:
    seen = headings(FaceVisitor(), away, 8.0, True)
    front = np.angle(np.exp(1j * seen[-1]))
    assert abs(front) < 0.05
    assert np.abs(np.diff(seen)).max() < 0.1 and abs(seen[0] - away) % (2 * np.pi) < 0.1
    assert np.abs(seen - seen[0]).max() < np.pi + 0.4  # the short way round


def test_alone_the_dancer_looks_where_it_likes_and_goes_back_to_it() -> None:
    facing = FaceVisitor()
    assert np.abs(headings(facing, 1.5, 2.0, False) - 1.5).max() < 0.01
    assert abs(headings(facing, 1.5, 8.0, True)[-1]) < 0.05
    assert headings(facing, 1.5, 8.0, False)[-1] == pytest.approx(1.5, abs=0.05)
