"""Very many requests, clients and answers: what a server holds while they are there, and what is left of them."""

from holdfast_attack.cases.load.catalogue import CASES

__all__ = ["CASES"]
