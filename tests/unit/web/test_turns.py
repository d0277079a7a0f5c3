"""Requests that only compute are answered one after the other, all others side by side."""

from __future__ import annotations

import threading

import pytest

from serflab.web.turns import InTurn

PATIENCE = 30.0


class Application:
    """Counts how many requests are in it at once; each stays until it is let go."""

    def __init__(self) -> None:
        self.inside = 0
        self.arrived = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self, environ, _start_response):
        self.inside += 1
        self.arrived.release()
        assert self.let_go.wait(PATIENCE)
        self.inside -= 1
        return [environ["PATH_INFO"].encode()]


def asking(middleware, path, answers):
    thread = threading.Thread(target=lambda: answers.append(middleware({"PATH_INFO": path}, None)))
    thread.start()
    return thread


@pytest.mark.parametrize(("path", "at_once"), [("/quick", 1), ("/slow", 3)])
def test_how_many_requests_of_a_path_are_answered_at_once(path, at_once):
    application, answers = Application(), []
    middleware = InTurn(application, ["/quick"])
    threads = [asking(middleware, path, answers) for _ in range(3)]
    for _ in range(at_once):
        assert application.arrived.acquire(timeout=PATIENCE)
    # One that should not be let in has every chance to get in.
    assert not application.arrived.acquire(timeout=0.2)
    assert application.inside == at_once
    application.let_go.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert answers == [[path.encode()]] * 3


def test_a_request_that_fails_gives_its_turn_to_the_next():
    def broken(_environ, _start_response):
        raise RuntimeError

    middleware = InTurn(broken, ["/quick"])
    for _ in range(2):
        with pytest.raises(RuntimeError):
            middleware({"PATH_INFO": "/quick"}, None)
