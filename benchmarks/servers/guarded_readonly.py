"""holdfast with every default guard and a tool that says it only reads, so that its calls need no audit line."""

from holdfast import Server

server = Server("guarded-readonly")


@server.tool(read_only=True)
async def add(a: int, b: int) -> int:
    """Add two integers."""
    return a + b


if __name__ == "__main__":
    server.main()
