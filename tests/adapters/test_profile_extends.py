"""A profile on top of another one: what it keeps, what it replaces, and where its mistakes are told."""

from pathlib import Path

import pytest

from adapters.errors import ConfigError
from adapters.profiles.loader import load_profile, shipped_profiles

TOP = """\
extends: mcs301
profile: mine
security:
  policy: authenticated
objects:
  - {name: clock, title: My clock}
  - {name: extra, class_id: 1, obis: 0-0:96.1.99.255, assumed: true}
"""


def test_extends_replaces_what_it_says_and_keeps_the_rest(tmp_path: Path) -> None:
    """Mappings are laid over each other, named entries too; new entries come behind."""
    path = tmp_path / "mine.yaml"
    path.write_text(TOP, "utf-8")
    mine, base = load_profile(path), load_profile("mcs301")
    assert (mine.profile, mine.title) == ("mine", base.title)
    assert (mine.security.policy, mine.security.suite) == ("authenticated", base.security.suite)
    assert mine.object("clock").title == "My clock"
    assert mine.object("clock").access == base.object("clock").access
    assert [entry.name for entry in mine.objects] == [*(entry.name for entry in base.objects), "extra"]
    assert mine.clients == base.clients


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("policy: authenticated", "policy: perhaps", 4),
        ("title: My clock", "titel: My clock", 6),
        ("0-0:96.1.99.255", "nonsense", 7),
    ],
)
def test_extends_mistake_is_told_where_it_stands(tmp_path: Path, old: str, new: str, line: int) -> None:
    """Line numbers are those of the file on top, also for entries that moved behind others."""
    path = tmp_path / "mine.yaml"
    path.write_text(TOP.replace(old, new), "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_profile(path)
    assert (Path(caught.value.file).name, caught.value.line) == ("mine.yaml", line)


def test_extends_something_that_extends_is_a_mistake(tmp_path: Path) -> None:
    """One storey is enough: the hint says which profile to name."""
    path = tmp_path / "mine.yaml"
    path.write_text("extends: mcs301_suite1\nprofile: mine\n", "utf-8")
    with pytest.raises(ConfigError, match="extends another one itself") as caught:
        load_profile(path)
    assert caught.value.line == 1


def test_extends_nothing_there_is_told(tmp_path: Path) -> None:
    """A base nobody ships is named, with those there are."""
    path = tmp_path / "mine.yaml"
    path.write_text("extends: mcs999\nprofile: mine\n", "utf-8")
    with pytest.raises(ConfigError, match="mcs999"):
        load_profile(path)


def test_suite_profiles_differ_from_their_base_in_security_alone() -> None:
    """The three shipped ones keep objects, ports and addresses of the MCS301."""
    base = load_profile("mcs301")
    for number in (0, 1, 2):
        mine = load_profile(f"mcs301_suite{number}")
        assert f"mcs301_suite{number}" in shipped_profiles("dlms")
        assert mine.security.suite == number
        assert [(entry.name, entry.obis) for entry in mine.objects] == [
            (entry.name, entry.obis) for entry in base.objects
        ]
        assert mine.ports == base.ports
