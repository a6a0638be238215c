"""Keeps a server running behind its client's back: a parent that replaces workers, and memory that outlives them."""
