"""What could go wrong: every case, as data, one module or package a class."""

from holdfast_attack.cases.catalogue import all_cases, case_of

__all__ = ["all_cases", "case_of"]
