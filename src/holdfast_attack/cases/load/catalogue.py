"""All cases of the class load, in the order in which they are played."""

from __future__ import annotations

from holdfast_attack.cases.load import failing, floods, leaks, memory, parked

CASES = (*floods.CASES, *failing.CASES, *memory.CASES, *leaks.CASES, *parked.CASES)
