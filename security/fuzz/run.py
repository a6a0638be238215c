"""Fuzz one target, or all of them in turn, for a number of seconds each.

    python security/fuzz/run.py TARGET|all [--seconds 600]

Needs atheris (``make fuzz`` installs it in an environment of its own). New inputs that reach new code are kept in
``.cache/fuzz/TARGET``; a finding is written there as ``crash-...``, and the run ends with a status other than 0.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(HERE), str(TOP / "src")]
CORPUS = TOP / ".cache" / "fuzz"
LONGEST = 4_096
"""Bytes of one input: the longest path, and far more than any parser needs to be confused."""
SLOWEST = 10
"""Seconds of one input after which it is a finding: every guard is linear."""
MEMORY_MB = 2_048


def main() -> int:
    """Start a process for each target: libFuzzer ends its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    from targets import TARGETS

    if options.here:
        return _fuzz(options.target, options.seconds)
    names = list(TARGETS) if options.target == "all" else [options.target]
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are: {', '.join(TARGETS)}, all")
    return max(_apart(name, options.seconds) for name in names)


def _apart(name: str, seconds: int) -> int:
    sys.stdout.write(f"== {name}: {seconds} s\n")
    sys.stdout.flush()
    command = [sys.executable, __file__, name, "--seconds", str(seconds), "--here"]
    status = subprocess.run(command, check=False).returncode  # noqa: S603 # nosec B603 - this file itself
    sys.stdout.write(f"== {name}: {'no finding' if status == 0 else 'FINDING, see above'}\n")
    return status


def _fuzz(name: str, seconds: int) -> int:
    import atheris

    with atheris.instrument_imports(include=["holdfast", "targets"]):
        from targets import TARGETS

        import holdfast.access.jwks
        import holdfast.access.jwt
        import holdfast.access.tokens
        import holdfast.core.config
        import holdfast.safe.json
        import holdfast.safe.locations
        import holdfast.safe.names
        import holdfast.safe.outgoing
        import holdfast.safe.programs
        import holdfast.safe.secrets
        import holdfast.safe.statements
        import holdfast.safe.streaming
        import holdfast.wire.admission
        import holdfast.wire.messages  # noqa: F401 - imported here to be instrumented

    corpus = CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    words = HERE / "words" / f"{name}.dict"
    arguments = [sys.argv[0], str(corpus), str(HERE / "seeds" / name), f"-max_total_time={seconds}"]
    arguments += [f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY_MB}", "-print_final_stats=1"]
    arguments += [f"-artifact_prefix={corpus}{os.sep}", "-verbosity=0", *([f"-dict={words}"] if words.exists() else [])]
    atheris.Setup(arguments, TARGETS[name])
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
