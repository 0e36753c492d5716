"""`python -m j4d`: the same program as `j4d`."""

from j4d.cli import main

if __name__ == "__main__":
    main()
