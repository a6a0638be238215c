"""The smallest server: five lines of tool, every guard on."""

from holdfast import Server

server = Server("hello")


@server.tool(read_only=True)
async def greet(name: str) -> str:
    """Greet somebody by name."""
    return f"Hello, {name}!"


if __name__ == "__main__":
    server.main()
