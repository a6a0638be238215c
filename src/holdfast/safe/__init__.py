"""Checks and handles for everything dangerous; works when copied elsewhere."""
