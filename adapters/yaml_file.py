"""Reads a YAML file as plain text values with positions, and validates it against a pydantic model.

The file is read event by event, never composed by the library: so nesting, size and node count are
bounded before anything is built (200 KB of ``[`` cannot crash the process), a duplicate key is a mistake
instead of a silent overwrite, and every scalar stays the text somebody wrote. ``0123456`` keeps its zero,
``no`` stays a word and ``12:30:00`` is not 45000; what a text means is decided by the field it is for.

Not supported, on purpose: anchors, aliases, merge keys, tags and several documents in one file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from adapters.errors import ConfigError, ConfigErrors
from adapters.yaml_messages import explain, has, path_in, shown
from adapters.yaml_repair import replaced, without_mistakes

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_SCALAR = 100_000

Path_ = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True, order=True)
class Position:
    """Line and column in a file, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class YamlFile:
    """A YAML file as read: ``data`` is nested dict, list and str; paths are tuples of keys and indices."""

    path: str
    data: object
    digest: str  # SHA-256 of the bytes, hexadecimal
    keys: Mapping[Path_, Position] = field(repr=False)
    values: Mapping[Path_, Position] = field(repr=False)

    def at(self, path: Sequence[str | int], *, key: bool = False) -> Position:
        """Return where the value (or, with ``key``, its key) stands; where absent, its nearest parent."""
        whole = tuple(path)
        if key and whole in self.keys:
            return self.keys[whole]
        for length in range(len(whole), -1, -1):
            if whole[:length] in self.values:
                return self.values[whole[:length]]
        return Position(1, 1)

    def error(
        self, path: Sequence[str | int], message: str, hint: str = "", *, key: bool = False
    ) -> ConfigError:
        """Return (not raise) the error for a mistake at ``path``."""
        position = self.at(path, key=key)
        return ConfigError(message, file=self.path, line=position.line, column=position.column, hint=hint)

    def get(self, path: Sequence[str | int]) -> object:
        """Return the value at ``path``. Raises KeyError where there is none."""
        found = self.data
        for step in path:
            if not has(found, step):
                raise KeyError(step)
            found = found[step]  # type: ignore[index]
        return found


def read(path: str | Path) -> YamlFile:
    """Read a file. Raises ConfigError (a ConfigErrors where there are several mistakes)."""
    return parse(content_of(path), str(path))


def content_of(path: str | Path) -> bytes:
    """Return the octets of a file. Raises ConfigError where it cannot be read."""
    file = Path(path)
    name = str(path)
    try:
        if not file.is_file():
            reason = "is not a regular file" if file.exists() else "there is no such file"
            raise ConfigError(reason, file=name)
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"cannot be read: {reason}", file=name) from error


def parse(content: bytes | str, name: str = "<text>") -> YamlFile:
    """Parse the content of a file called ``name``. Raises ConfigError or ConfigErrors."""
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    text = _decode(raw, name)
    data, keys, values = _Builder(text, name).build()
    digest = hashlib.sha256(raw).hexdigest()
    return YamlFile(path=name, data=data, digest=digest, keys=keys, values=values)


def load_model(path: str | Path, model: type[Model]) -> Model:
    """Read and validate a file. Raises ConfigErrors with every mistake, each at its line and column."""
    return validate(read(path), model)


def validate(file: YamlFile, model: type[Model]) -> Model:
    """Validate a file that was read. Raises ConfigErrors with every mistake, each at its line and column."""
    found, errors = try_validate(file, model)
    if errors or found is None:
        raise ConfigErrors(errors)
    return found


def try_validate(file: YamlFile, model: type[Model]) -> tuple[Model | None, list[ConfigError]]:
    """Return the model and every mistake, in the order of the file.

    Where there are mistakes, the model is what is left when they are taken out, so that further checks can
    go on in the same pass; it is None where nothing useful is left.
    """
    data = file.data
    mistakes: list[ConfigError] = []
    for attempt in range(12):
        try:
            return model.model_validate(data), mistakes
        except ValidationError as error:
            problems = error.errors(include_url=False)
        data, changed = _numbers_for_literals(data, problems)
        if changed:
            continue
        if not mistakes:
            mistakes = _in_words(file, model, problems)
        data = without_mistakes(data, problems, model, desperate=attempt > 6)
    return None, mistakes


def _in_words(file: YamlFile, model: type[BaseModel], problems: Sequence[Any]) -> list[ConfigError]:
    found = {
        (file.at(where, key=on_key), message, hint)
        for where, message, hint, on_key in explain(problems, file.data, model)
    }
    return [
        ConfigError(message, file=file.path, line=at.line, column=at.column, hint=hint)
        for at, message, hint in sorted(found)
    ]


def _numbers_for_literals(data: object, problems: Sequence[Any]) -> tuple[object, bool]:
    """Turn texts into ints where a field is a ``Literal[1, 2, 4]``; pydantic does so for ``int`` only."""
    changed = False
    for problem in problems:
        given = problem["input"]
        if problem["type"] != "literal_error" or not isinstance(given, str):
            continue
        if re.fullmatch(r"-?\d{1,9}", given) and re.search(
            rf"(?<![\w'.-]){re.escape(given)}(?![\w'.])", problem["ctx"]["expected"]
        ):
            data = replaced(data, path_in(data, problem["loc"]), int(given))
            changed = True
    return data, changed


def _decode(raw: bytes, name: str) -> str:
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES // 1000} kB; a plan or a bench is not", file=name)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
        raise ConfigError(
            f"is not UTF-8 text: byte 0x{raw[error.start]:02x}",
            file=name,
            line=line,
            column=column,
            hint="save the file as UTF-8",
        ) from None
    text = text.removeprefix("\ufeff")
    if bad := _UNPRINTABLE.search(text):
        before_text = text[: bad.start()]
        raise ConfigError(
            f"unprintable character U+{ord(bad.group()):04X}",
            file=name,
            line=before_text.count("\n") + 1,
            column=len(before_text.rpartition("\n")[2]) + 1,
            hint="remove it",
        )
    return text


class _Open:
    """A mapping or a list that is still being filled."""

    def __init__(self, path: Path_, container: dict[str, object] | list[object]) -> None:
        self.path, self.container = path, container
        self.key: str | None = None  # of a mapping: the key whose value comes next


class _Builder:
    """Builds plain values from the event stream with a stack of its own."""

    def __init__(self, text: str, name: str) -> None:
        self._text, self._name = text, name
        self._stack: list[_Open] = []
        self._keys: dict[Path_, Position] = {}
        self._values: dict[Path_, Position] = {}
        self._duplicates: list[ConfigError] = []
        self._nodes = 0
        self._documents = 0
        self._root: object = ""

    def build(self) -> tuple[object, Mapping[Path_, Position], Mapping[Path_, Position]]:
        for event in self._events():
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        self._fail(event, "a second document starts here", "one file holds one document")
                case yaml.AliasEvent():
                    self._fail(
                        event,
                        f"alias *{shown(str(event.anchor))}",
                        "write the value out; aliases are not supported",
                    )
                case yaml.ScalarEvent():
                    self._check_node(event)
                    self._scalar(event)
                case yaml.MappingStartEvent():
                    self._check_node(event)
                    self._start(event, {})
                case yaml.SequenceStartEvent():
                    self._check_node(event)
                    self._start(event, [])
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._stack.pop()
        if self._duplicates:
            raise ConfigErrors(self._duplicates)
        if self._documents == 0:
            raise ConfigError("is empty", file=self._name)
        return self._root, self._keys, self._values

    def _events(self) -> Iterator[Any]:
        try:
            yield from yaml.parse(self._text, Loader=_LOADER)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            lines = self._text.split("\n")
            here = lines[line - 1] if line <= len(lines) else ""
            if re.match(r"\s*\t", here):
                message, hint = "a tab in the indentation", "indent with spaces"
            else:
                context = f" {error.context}" if error.context else ""
                message, hint = f"not valid YAML: {error.problem}{context}", _usual_cause(error.problem or "")
            raise ConfigError(message, file=self._name, line=line, column=column, hint=hint) from None
        except yaml.YAMLError as error:
            raise ConfigError(f"not valid YAML: {shown(str(error))}", file=self._name) from None

    def _check_node(self, event: Any) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._fail(event, f"more than {MAX_NODES} values", "split the file")
        if event.anchor is not None:
            self._fail(
                event, f"anchor &{shown(event.anchor)}", "write the value out; anchors are not supported"
            )
        if event.tag is not None:
            self._fail(event, f"tag {shown(event.tag)}", "remove it; every value is text, typed by its field")

    def _scalar(self, event: Any) -> None:
        if len(event.value) > MAX_SCALAR:
            self._fail(event, f"a text of more than {MAX_SCALAR} characters", "")
        if "\0" in event.value:
            self._fail(event, "a NUL character", "remove it")
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            key, path = event.value, (*top.path, event.value)
            if key in top.container:
                first = self._keys[path]
                self._duplicates.append(
                    self._error(
                        event, f"key `{shown(key)}` stands here twice", f"it is already in line {first.line}"
                    )
                )
            else:
                self._keys[path] = self._position(event)
            top.key = key
        else:
            self._put(event, event.value)

    def _start(self, event: Any, container: dict[str, object] | list[object]) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._fail(
                event, "a mapping or list used as a key", "put quotes around a text that starts with { or ["
            )
        if len(self._stack) >= MAX_DEPTH:
            self._fail(event, f"nested more than {MAX_DEPTH} levels deep", "close the brackets")
        path = self._put(event, container)
        self._stack.append(_Open(path, container))

    def _put(self, event: Any, value: object) -> Path_:
        top = self._stack[-1] if self._stack else None
        path: Path_
        if top is None:
            path = ()
            self._root = value
        elif isinstance(top.container, dict):
            assert top.key is not None
            path = (*top.path, top.key)
            top.container[top.key] = value
            top.key = None
        else:
            path = (*top.path, len(top.container))
            top.container.append(value)
        self._values[path] = self._position(event)
        return path

    @staticmethod
    def _position(event: Any) -> Position:
        return Position(event.start_mark.line + 1, event.start_mark.column + 1)

    def _error(self, event: Any, message: str, hint: str) -> ConfigError:
        at = self._position(event)
        return ConfigError(message, file=self._name, line=at.line, column=at.column, hint=hint)

    def _fail(self, event: Any, message: str, hint: str) -> NoReturn:
        raise self._error(event, message, hint)


def _usual_cause(problem: str) -> str:
    """Return what usually lies behind a parser message that lab staff cannot be expected to know."""
    if "mapping values are not allowed" in problem:
        return "put quotes around a text that contains ': ', or check the indentation"
    if "did not find expected key" in problem or "block end" in problem or "block mapping" in problem:
        return "check the indentation and the quotes of the lines above"
    if "cannot start any token" in problem:
        return "put quotes around a text that starts with this character"
    if "could not find expected ':'" in problem:
        return "a key needs a colon and a space after it"
    if "end of stream" in problem or "expected ',' or" in problem:
        return "a bracket or a quote is not closed"
    return ""
