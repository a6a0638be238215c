"""The door of ``python -m holdfast.cli``."""

from holdfast.cli.entry import main

if __name__ == "__main__":
    main()
