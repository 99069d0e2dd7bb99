"""Find and read a profile: one that ships with the product, by name, or a lab's own file, by path.

A profile says by its ``protocol`` what kind it is. Whoever needs one kind asks for it by its model.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, get_args

from pydantic import BaseModel

from adapters.errors import ConfigError, ConfigErrors
from adapters.profiles.ansi import AnsiProfile
from adapters.profiles.ansi_check import mistakes_in
from adapters.profiles.extending import extended
from adapters.profiles.model import Profile
from adapters.profiles.paths import PathsProfile
from adapters.yaml_file import YamlFile, content_of, parse, read, validate
from adapters.yaml_messages import shown, suggest

_SHIPPED = Path(__file__).parent
MODELS: dict[str, type[BaseModel]] = {"dlms": Profile, "c1219": AnsiProfile, "paths": PathsProfile}
"""The kinds of profiles, by protocol; one that does not say is of the first."""
_DEFAULT = "dlms"
AnyProfile = Profile | AnsiProfile  # of a meter
_EXTENDS = re.compile(rb"(?m)^extends:[ ]*[\"']?([\w./-]+)")
ProfileModel = TypeVar("ProfileModel", bound=BaseModel)


def shipped_profiles(protocol: str = "") -> tuple[str, ...]:
    """Return the names of the profiles that ship with the product, or of those of one protocol."""
    found = sorted(_SHIPPED.glob("*.yaml"))
    return tuple(path.stem for path in found if not protocol or _protocol(_with_base(read(path))) == protocol)


def load_profile(name_or_path: str | Path) -> Profile:
    """Return the DLMS profile called ``name_or_path``, or the one in that file.

    Raises ConfigError (ConfigErrors for several mistakes) with file, line and column.
    """
    return load_profile_as(name_or_path, Profile)


def load_profile_as(name_or_path: str | Path, model: type[ProfileModel]) -> ProfileModel:
    """Return the profile called ``name_or_path``, or the one in that file, as a ``model``.

    Raises ConfigError (ConfigErrors for several mistakes) with file, line and column; also where it is a
    profile of another kind of meter.
    """
    path = _path_of(name_or_path)
    content = content_of(path)
    loaded: ProfileModel = _loaded(model, str(path), content, _content_below(content))
    return loaded


@lru_cache(maxsize=64)
def _loaded(model: type[ProfileModel], name: str, content: bytes, _below: bytes) -> ProfileModel:
    """Return the profile that ``content`` is. Profiles are frozen, so devices and benches share them.

    The content of the profile it extends is a key of the cache, as its own is.
    """
    file = _with_base(parse(content, name))
    wanted = get_args(model.model_fields["protocol"].annotation)[0]
    protocol = _protocol(file)
    if protocol != wanted and protocol in MODELS:
        raise file.error(
            ("protocol",),
            f"this is a profile of protocol {protocol}, and one of protocol {wanted} is needed here",
            suggest("", shipped_profiles(wanted)),
        )
    return _validated(file, model)


def load_any_profile(name_or_path: str | Path) -> AnyProfile | PathsProfile:
    """Return a profile of whatever kind it says it is. Raises ConfigError."""
    file = _with_base(read(_path_of(name_or_path)))
    protocol = _protocol(file)
    if protocol not in MODELS:
        raise file.error(("protocol",), f"unknown protocol `{shown(protocol)}`", suggest(protocol, MODELS))
    profile = _validated(file, MODELS[protocol])
    assert isinstance(profile, AnyProfile | PathsProfile)
    return profile


def _content_below(content: bytes) -> bytes:
    """Return the content of the profile that another one extends, nothing where there is none."""
    found = _EXTENDS.search(content)
    if found is None:
        return b""
    try:
        return content_of(_path_of(found[1].decode()))
    except ConfigError:
        return b""  # told with its place when the file is read


def _read(name_or_path: str | Path) -> YamlFile:
    return _with_base(read(_path_of(name_or_path)))


def _with_base(file: YamlFile) -> YamlFile:
    """Return the file of a profile; where it says ``extends``, on top of the profile it names."""
    base = file.data.get("extends") if isinstance(file.data, dict) else None
    if not isinstance(base, str):
        return file
    below = read(_path_of(base))
    if isinstance(below.data, dict) and "extends" in below.data:
        raise file.error(("extends",), f"profile {shown(base)} extends another one itself; name that one")
    return extended(file, below)


def _path_of(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.suffix not in {".yaml", ".yml"}:
        path = _SHIPPED / f"{name_or_path}.yaml"
        if not path.is_file():
            raise ConfigError(
                f"no profile is called {str(name_or_path)!r}",
                hint=f"shipped profiles: {', '.join(shipped_profiles())}; a file name ends in .yaml",
            )
    return path


def _protocol(file: YamlFile) -> str:
    written = file.data.get("protocol", _DEFAULT) if isinstance(file.data, dict) else _DEFAULT
    return written if isinstance(written, str) else ""


def _validated(file: YamlFile, model: type[ProfileModel]) -> ProfileModel:
    profile = validate(file, model)
    if isinstance(profile, AnsiProfile):
        mistakes = [
            file.error(each.path, each.message, each.hint, key=each.key) for each in mistakes_in(profile)
        ]
        if mistakes:
            raise ConfigErrors(sorted(mistakes, key=lambda error: (error.line, error.column)))
    return profile
