"""HTTP: Host and Origin, headers against bodies, sessions, framing, tokens, and clients that flood or leave."""

from holdfast_attack.cases.http import (
    bodies,
    crossing,
    floods,
    framing,
    heads,
    hosts,
    leaving,
    listening,
    memory,
    mirroring,
    origins,
    sessions,
    slowness,
    texts,
    tokens,
)

CASES = (
    *hosts.CASES,
    *origins.CASES,
    *heads.CASES,
    *mirroring.CASES,
    *tokens.CASES,
    *sessions.CASES,
    *crossing.CASES,
    *bodies.CASES,
    *texts.CASES,
    *framing.CASES,
    *memory.CASES,
    *slowness.CASES,
    *floods.CASES,
    *listening.CASES,
    *leaving.CASES,
)

__all__ = ["CASES"]
