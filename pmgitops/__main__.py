"""`python -m pmgitops`."""

from pmgitops.cli import main

if __name__ == "__main__":
    main()
