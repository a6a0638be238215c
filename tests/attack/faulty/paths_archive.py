"""Writes the members of an archive to where their names lead (zip slip)."""

import os
import zipfile
from pathlib import Path

from sound import NO_FILE, Sound, Tool, ToolFailed, annotated, main, text

CASE = "paths.archive"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        path = {"path": text("a zip file of the workspace", 500)}
        return (*super().tools(), Tool("unpack", "Unpack an archive.", path, (), annotated(writes=True)))

    async def unpack(self, path: str) -> str:
        try:
            with os.fdopen(self.opened(path), "rb") as file, zipfile.ZipFile(file) as archive:
                for member in archive.namelist():
                    self.unpacked(Path("unpacked"), member, archive.read(member))
        except zipfile.BadZipFile:
            return "there is nothing to unpack"
        except OSError:
            raise ToolFailed(NO_FILE) from None
        return "unpacked"

    def unpacked(self, folder: Path, member: str, data: bytes) -> None:
        if len(self.names(member)) != 1:
            raise ToolFailed("this archive has members that lead elsewhere")
        folder.mkdir(exist_ok=True)
        (folder / member).write_bytes(data)


class Faulty(Mended):
    def unpacked(self, folder: Path, member: str, data: bytes) -> None:
        folder.mkdir(exist_ok=True)
        (folder / member).write_bytes(data)


if __name__ == "__main__":
    main(Faulty, Mended)
