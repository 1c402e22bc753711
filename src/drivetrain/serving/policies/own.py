"""A user's own policies from a Python file: what ``--policy-file`` reads."""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path

from drivetrain.errors import BadInputError, FileError
from drivetrain.serving.policies import registry


def load_file(path: str | Path) -> tuple[tuple[str, str], ...]:
    """Run the file, which registers its policies with ``@register(kind)``; (kind, name) of each.

    The file is code of yours and runs as such. Read again it replaces what it registered before.
    """
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise FileError(f"there is no policy file {path}. Name a Python file that registers a policy.")
    module_name = f"drivetrain_policies_{file.stem}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise FileError(f"policy file {path} is not Python: its name must end in .py.")
    registry.forget(str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BadInputError as error:
        raise FileError(f"policy file {path}: {error.args[0]}") from error
    except Exception as error:
        raise FileError(f"policy file {path}{_line(file, error)}: {type(error).__name__}: {error}.") from error
    finally:
        sys.modules.pop(module_name, None)
    new = tuple((kind, name) for kind, name, source in sorted(registry.registered_names()) if source == str(file))
    if not new:
        raise FileError(
            f"policy file {path} registers no policy. Put @register('route') (or admit, schedule, select, scale), "
            f"imported from drivetrain.serving.policies, above a function."
        )
    return new


def _line(file: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return f", line {lines[-1]}" if lines else ""
