"""Schemas: what a tool says of its input and its output, held against what it takes and what it gives."""

from holdfast_attack.cases.schema.catalogue import CASES

__all__ = ["CASES"]
