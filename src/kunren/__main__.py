"""``python -m kunren`` is the same as ``kunren``."""

from kunren.cli import main

if __name__ == "__main__":
    main()
