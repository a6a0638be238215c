"""Writes the members of an archive that comes as a text to where their names lead (zip slip)."""

import io
import zipfile
from base64 import b64decode
from pathlib import Path

from sound import Sound, Tool, ToolFailed, annotated, main, text

CASE = "paths.archive"
TRANSPORT = "stdio"


class Mended(Sound):
    def tools(self) -> tuple[Tool, ...]:
        given = {"archive_base64": text("A zip archive in base64", 900_000)}
        return (*super().tools(), Tool("import_theme", "Import a theme.", given, (), annotated(writes=True)))

    async def import_theme(self, archive_base64: str) -> str:
        try:
            with zipfile.ZipFile(io.BytesIO(b64decode(archive_base64, validate=True))) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if sum(member.file_size for member in members) > self.FILE:
                    raise ToolFailed("the theme is too large")
                for place, data in [(self.place(member.filename), archive.read(member)) for member in members]:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with self.folder(list(place.parent.parts)) as folder:
                        self.replace(folder, place.name, data)
        except (OSError, ValueError, zipfile.BadZipFile):
            raise ToolFailed("this is no archive of a theme") from None
        return "imported"

    def place(self, name: str) -> Path:
        root = Path("theme").resolve()
        if not (whole := (root / name).resolve()).is_relative_to(root):
            raise ToolFailed("this archive has members that lead elsewhere")
        return whole


class Faulty(Mended):
    def place(self, name: str) -> Path:
        return Path(f"theme/{name}")


if __name__ == "__main__":
    main(Faulty, Mended)
