"""Which errors of the operating system become refusals, and what those say."""

from __future__ import annotations

import errno
import os

import pytest

from holdfast.errors import UnsafePath
from holdfast.safe.refusals import refusing, require_regular


@pytest.mark.parametrize(
    "number, code",
    [
        (errno.ENOENT, "path.not_found"),
        (errno.ELOOP, "path.symlink"),
        (errno.EXDEV, "path.outside"),
        (errno.ENOTDIR, "path.not_directory"),
        (errno.EISDIR, "path.not_regular"),
        (errno.EACCES, "path.denied"),
        (errno.EROFS, "path.read_only"),
        (errno.ENOSPC, "path.disk_full"),
        (errno.EDQUOT, "path.disk_full"),
        (errno.ENAMETOOLONG, "path.name"),
        (errno.EINVAL, "path.name"),
        (errno.EILSEQ, "path.name"),
        (errno.EBUSY, "path.busy"),
        (errno.ETXTBSY, "path.busy"),
    ],
)
def test_errors_that_a_caller_can_act_on_are_refusals_without_the_path(number: int, code: str) -> None:
    with pytest.raises(UnsafePath) as caught, refusing():
        raise OSError(number, os.strerror(number), "/srv/private/file")
    assert caught.value.code == code
    assert "/srv" not in caught.value.message


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.EBADF])
def test_errors_of_the_machine_pass_as_they_are(number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)), refusing():
        raise OSError(number, os.strerror(number))


def test_an_error_without_a_number_passes_as_it_is() -> None:
    with pytest.raises(OSError, match="odd"), refusing():
        raise OSError("odd")


def test_a_regular_file_with_one_name_passes() -> None:
    require_regular(os.stat(__file__))
