import signal
import threading

import pytest

from search.engine.interrupts import held


def test_an_interrupt_waits_for_the_end_of_the_block() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - what happens inside is the point
        with held():
            steps.append("first")
            signal.raise_signal(signal.SIGINT)
            steps.append("second")
        steps.append("after")
    assert steps == ["first", "second"]


def test_a_second_interrupt_does_not_wait() -> None:
    steps = []
    with pytest.raises(KeyboardInterrupt), held():  # noqa: PT012 - as above
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        steps.append("never")
    assert steps == []


def test_the_handler_from_before_is_back_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    with held():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_an_error_inside_is_the_error_outside() -> None:
    with pytest.raises(ZeroDivisionError), held():
        raise ZeroDivisionError


def test_what_was_heard_is_heard_though_the_block_has_failed() -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("SIGTERM"))
    try:
        with pytest.raises(ZeroDivisionError), held():  # noqa: PT012 - as above
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            raise ZeroDivisionError
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == ["SIGTERM"]


def test_other_threads_are_not_concerned() -> None:
    done = []

    def work() -> None:
        with held():
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
