"""All cases of the class crash, in the order in which they are played."""

from __future__ import annotations

from holdfast_attack.cases.crash import calls, kills, writes

CASES = (*calls.CASES, *kills.CASES, *writes.CASES)
