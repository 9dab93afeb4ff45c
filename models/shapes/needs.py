"""What a script needs, told in one line where it is missing."""

import importlib.util
import sys


def needs(*modules: str) -> None:
    """Ends the program with exit code 2 if modules cannot be imported."""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        print(f"{', '.join(missing)} not installed: pip install '.[train]'", file=sys.stderr)
        raise SystemExit(2)
