"""All cases of the class time, in the order in which they are played."""

from __future__ import annotations

from holdfast_attack.cases.time import deadlines, neighbours, regex, texts

CASES = (*neighbours.CASES, *deadlines.CASES, *regex.CASES, *texts.CASES)
