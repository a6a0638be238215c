"""holdfast with every default guard and tools that say they only read, so that their calls need no audit line."""

from holdfast import Server

server = Server("guarded-readonly")


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


@server.tool(read_only=True)
async def echo(text: str) -> str:
    """Give a text back."""
    return text


if __name__ == "__main__":
    server.main()
