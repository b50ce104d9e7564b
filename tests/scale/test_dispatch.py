"""Jobs given to hands: as many hands as there is room for at the time."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from atypica.scale import ray as module
from atypica.scale.dispatch import Dispatch, Hand
from atypica.scale.station import Outcome


class Eager(Hand[int, int]):
    """Is there at once, and has done every job at once."""

    def __init__(self) -> None:
        self.ready = Future[int]()
        self.ready.set_result(1)

    def do(self, job: int) -> Future[Outcome[int]]:
        done = Future[Outcome[int]]()
        done.set_result(Outcome(2 * job))
        return done

    def dismiss(self) -> None:
        pass


def test_machines_that_come_later_are_given_jobs() -> None:
    room, hired = [2], list[Eager]()

    def hire() -> Eager:
        hired.append(Eager())
        return hired[-1]

    stream = Dispatch(hire, lambda: room[0], lambda _: False, print).run(range(40))
    found = [next(stream).value() for _ in range(10)]
    assert len(hired) == 2
    room[0] = 5
    found += [finished.value() for finished in stream]
    assert len(hired) == 5
    assert sorted(found) == [2 * job for job in range(40)]


def test_the_room_of_a_cluster_is_counted_anew_unless_a_number_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machines = [{"CPU": 3.0}, {"memory": 1.0}]
    monkeypatch.setattr(module, "_machines", lambda: machines)
    monkeypatch.setattr(module, "LOOK_S", -1.0)
    room = module._Room(None, 2, 0)
    assert room() == 1
    machines += [{"CPU": 3.0}, {"CPU": 4.0}]
    assert room() == 4, "a worker is never on two machines"
    assert module._Room(7, 2, 0)() == 7
