"""How a server is kept: what it lists, what it leaves behind, how it ends."""

from holdfast_attack.cases.hygiene import ending, keeping, leaving, listing

CASES = (*listing.CASES, *keeping.CASES, *leaving.CASES, *ending.CASES)

__all__ = ["CASES"]
