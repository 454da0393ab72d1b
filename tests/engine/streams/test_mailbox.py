import threading
import time

from engine.streams.mailbox import Mailbox


def test_the_latest_value_wins_and_the_others_count_as_dropped() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert mailbox.latest() is None
    for value in (1, 2, 3):
        mailbox.put(value)
    assert mailbox.latest() == 3 and mailbox.dropped == 2
    mailbox.put(4)
    assert mailbox.dropped == 2


def test_a_reader_waits_for_a_newer_value_and_no_longer_than_it_said() -> None:
    mailbox: Mailbox[str] = Mailbox()
    assert mailbox.newer_than(0, 0.01) == (0, None)
    threading.Timer(0.02, mailbox.put, ["here"]).start()
    version, value = mailbox.newer_than(0, 2.0)
    assert (version, value) == (1, "here")
    assert mailbox.newer_than(version, 0.0) == (1, None)


def test_a_value_is_given_to_every_reader() -> None:
    mailbox: Mailbox[list[int]] = Mailbox()
    value = [1]
    mailbox.put(value)
    assert mailbox.latest() is value and mailbox.newer_than(0, 0.0)[1] is value


def test_it_is_known_when_the_newest_value_was_put() -> None:
    mailbox: Mailbox[int] = Mailbox()
    assert mailbox.put_at < 0
    before = time.perf_counter()
    mailbox.put(1)
    assert before <= mailbox.put_at <= time.perf_counter()
