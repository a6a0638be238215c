"""The benchmark's modules are scripts side by side, as `python benchmarks/run.py` finds them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
