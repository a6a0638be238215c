"""Descriptors 0 and 1 are the protocol's while claimed: nothing that is printed, read or started gets at them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

SOURCE = Path(__file__).parents[2] / "src"


def run(script: str, closed: str = "", stdin: bytes = b"from the client\n") -> subprocess.CompletedProcess[bytes]:
    """Run a script in a process of its own, with some of the standard descriptors closed by the shell."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": ""}
    command = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, dedent(script)]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=30, check=False)


def test_while_claimed_prints_and_children_go_to_stderr_and_reading_finds_nothing() -> None:
    ran = run(
        """
        import os, subprocess, sys
        print("before", flush=False)
        from holdfast.wire.claim import claim
        taken = claim()
        print("printed"); sys.stdout.flush()
        os.write(1, b"raw\\n")
        subprocess.run(["sh", "-c", "echo child; cat"], check=True)
        assert sys.stdin.read() == ""
        assert taken.input > 2 and taken.output > 2
        assert not os.get_inheritable(taken.input) and not os.get_inheritable(taken.output)
        assert os.read(taken.input, 100) == b"from the client\\n"
        os.write(taken.output, b"to the client\\n")
        print("late, and not flushed")
        taken.release()
        taken.release()
        os.write(1, b"released\\n")
        """
    )
    told = ["printed", "raw", "child", "late, and not flushed"]
    assert (ran.returncode, ran.stderr.decode().splitlines()) == (0, told)
    assert ran.stdout == b"before\nto the client\nreleased\n"


def test_a_closed_input_or_output_is_refused_and_nothing_is_diverted() -> None:
    for closed in ("<&-", ">&-", "<&- >&-"):
        ran = run(
            """
            import os, sys
            from holdfast.errors import ConfigurationError
            from holdfast.wire.claim import claim
            before = sorted(os.listdir("/proc/self/fd"))
            try:
                claim()
            except ConfigurationError as error:
                sys.stderr.write(str(error))
            assert sorted(os.listdir("/proc/self/fd")) == before
            """,
            closed,
        )
        assert ran.stderr == b"a stdio server needs open standard input and output"


def test_with_standard_error_closed_no_file_that_is_opened_later_takes_its_place() -> None:
    ran = run(
        """
        import os
        from holdfast.wire.claim import claim
        taken = claim()
        opened = os.open("/dev/null", os.O_RDWR)
        os.write(1, b"printed\\n")
        os.write(2, b"complained\\n")
        os.write(taken.output, b"%d" % (opened > 2))
        """,
        "2>&-",
    )
    assert (ran.returncode, ran.stdout) == (0, b"1")


def test_every_closed_descriptor_that_is_asked_for_is_filled_and_open_ones_are_left_alone() -> None:
    ran = run(
        """
        import os
        from holdfast.wire.claim import fill_standard
        fill_standard((0, 1))
        assert os.open("/dev/null", os.O_RDWR) > 2
        os.write(1, b"nowhere")
        assert os.read(0, 10) == b""
        os.write(2, b"still here")
        """,
        "<&- >&-",
    )
    assert (ran.returncode, ran.stderr) == (0, b"still here")


def test_a_descriptor_below_the_one_that_is_filled_stays_closed() -> None:
    ran = run(
        """
        import os
        from holdfast.wire.claim import fill_standard
        fill_standard()
        os.write(2, b"nowhere")
        assert os.open("/dev/null", os.O_RDONLY) == 0
        os.write(1, b"done")
        """,
        "<&- 2>&-",
    )
    assert (ran.returncode, ran.stdout) == (0, b"done")


def test_an_author_without_a_standard_output_object_may_still_serve() -> None:
    ran = run(
        """
        import os, sys
        from holdfast.wire.claim import claim
        sys.stdout = None
        taken = claim()
        os.write(taken.output, b"served")
        taken.release()
        """
    )
    assert (ran.returncode, ran.stdout) == (0, b"served")


def test_an_output_that_nobody_reads_does_not_stop_the_claim() -> None:
    ran = run(
        """
        import os, sys
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, 1)
        sys.stdout.write("lost")
        from holdfast.wire.claim import claim
        taken = claim()
        os.write(2, b"claimed")
        os._exit(0)
        """
    )
    assert ran.stderr == b"claimed"
