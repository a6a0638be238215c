"""Sees a blocked event loop and memory pressure, and does something about it."""
