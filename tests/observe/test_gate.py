"""When the loop may write itself: never while anything says that it could wait."""

from __future__ import annotations

from holdfast.observe.gate import PROMPT, Gate


def open_gate() -> Gate:
    gate = Gate()
    gate.sync_begins()
    gate.sync_ends(0.001, well=True)
    return gate


def enters(gate: Gate) -> bool:
    if gate.try_enter():
        gate.lock.release()
        return True
    return False


def test_it_is_shut_until_a_sync_came_back_promptly() -> None:
    gate = Gate()
    assert not enters(gate)
    for seconds, well, expected in (
        (0.01, True, True),
        (PROMPT, True, False),
        (0.01, False, False),
        (0.01, True, True),
    ):
        gate.sync_begins()
        assert not enters(gate)
        gate.sync_ends(seconds, well=well)
        assert enters(gate) is expected


def test_it_is_shut_while_anything_waits_in_the_queue() -> None:
    gate = open_gate()
    gate.give()
    gate.give()
    gate.taken += 1
    assert not enters(gate)
    gate.taken += 1
    assert enters(gate)


def test_it_is_shut_while_somebody_writes() -> None:
    gate = open_gate()
    with gate.lock:
        assert not enters(gate)
    assert enters(gate)


def test_what_changes_while_the_lock_is_taken_is_seen() -> None:
    gate = open_gate()

    class Late:
        """A lock that is got just after a sync began."""

        def acquire(self, *, blocking: bool) -> bool:
            gate.syncing = True
            return True

        def release(self) -> None:
            gate.syncing = False
            released.append(1)

    released: list[int] = []
    gate.lock = Late()  # type: ignore[assignment]
    assert not gate.try_enter()
    assert released
