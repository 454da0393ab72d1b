"""Ten thousand hostile datagrams; a million: python -m tests.endurance.osc_fuzz --count 1000000."""

from tests.endurance.osc_fuzz import Hostile, fuzz


def test_hostile_datagrams_raise_nothing_and_leave_controls_and_poses_fit_to_be_danced() -> None:
    services = fuzz(10_000, seed=1)
    assert services.metrics.counted("osc_in.ignored") > 10_000
    assert services.metrics.counted("osc_in.messages") > 300  # not all of it is junk, or little would be tried


def test_the_same_seed_makes_the_same_datagrams_apart_from_the_clock() -> None:
    one, other = Hostile(3), Hostile(3)
    assert [len(one.datagram()) for _ in range(200)] == [len(other.datagram()) for _ in range(200)]
