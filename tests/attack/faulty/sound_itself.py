"""No fault: the server that every other one here is, but for one override."""

from sound import Sound, main

if __name__ == "__main__":
    main(Sound)
