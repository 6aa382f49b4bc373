"""`python -m comitia` is the `comitia` command."""

from comitia.cli import main

if __name__ == "__main__":
    main()
