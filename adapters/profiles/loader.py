"""Find and read a profile: one that ships with the product, by name, or a lab's own file, by path."""

from __future__ import annotations

from pathlib import Path

from adapters.errors import ConfigError
from adapters.profiles.model import Profile
from adapters.yaml_file import load_model

_SHIPPED = Path(__file__).parent


def shipped_profiles() -> tuple[str, ...]:
    """Return the names of the profiles that ship with the product."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.yaml")))


def load_profile(name_or_path: str | Path) -> Profile:
    """Return the profile called ``name_or_path``, or the one in that file.

    Raises ConfigError (ConfigErrors for several mistakes) with file, line and column.
    """
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = _SHIPPED / f"{name_or_path}.yaml"
        if not path.is_file():
            raise ConfigError(
                f"no profile is called {str(name_or_path)!r}",
                hint=f"shipped profiles: {', '.join(shipped_profiles())}; a file name ends in .yaml",
            )
    return load_model(path, Profile)
