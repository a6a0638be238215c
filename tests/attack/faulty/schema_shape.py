"""Takes a list for arguments by their places."""

from typing import Any

from sound import Sound, Tool, main

CASE = "schema.shape"
TRANSPORT = "stdio"


class Faulty(Sound):
    def shape(self, tool: Tool, arguments: Any) -> dict[str, Any]:
        if isinstance(arguments, list):
            arguments = dict(zip(tool.properties, arguments, strict=False))
        return super().shape(tool, arguments)


if __name__ == "__main__":
    main(Faulty)
