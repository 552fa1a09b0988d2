# SPDX-License-Identifier: Apache-2.0
"""YAML that people write: read as the core schema has it, or refused with file and line."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros import strict_yaml
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.training.recipe import load_recipe


def test_plain_values_are_those_of_the_core_schema():
    text = "[1e-3, 12:30, yes, on, 010, 1_0, 0x1f, 0o17, -.inf, .5, 5., !!str 5, null, ~, 2024-01-01, 'true', True]"
    expected = [
        0.001, "12:30", "yes", "on", 10, "1_0", 31, 15, float("-inf"), 0.5, 5.0, "5", None, None, "2024-01-01", "true",
        True,
    ]  # fmt: skip
    assert strict_yaml.load(text, "x") == expected
    assert strict_yaml.load("a: &x {b: 1}\nc: {<<: *x, d: 2}", "x")["c"] == {"b": 1, "d": 2}
    assert strict_yaml.load("# nothing", "x") is None


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' is there already, on line 1"),
        ("1: a\n1.0: b", "line 2: the key '1.0' is there already, on line 1"),
        ("a: {0x1: a, true: b}", "line 1: the key 'true' is there already"),
        ("a: [{b: 1, 'b': 2}]", "line 1: the key 'b' is there already"),
        ("a:\n\tb: 1", "line 2 has a tab"),
        ("&a [*a]", "line 1: this value contains itself"),
        ("[" * 100_000, "line 1: more than 64 values"),
        ("- " * 3000 + "a", "more than 64 values"),
        ("a: 1\n---\nb: 2", "line 2: expected a single document"),
        ("? [1]\n: 2", "unhashable"),
        ("a: !!python/object:os.system 1", "line 1: could not determine a constructor"),
        ("a: !!bool maybe", "neither true nor false"),
        ("a: !!timestamp 2020-99-99", "month"),
        ("a: " + "9" * 5000, "digits"),
        ("a: \ud800", "surrogates"),
        ("a: \x07", "control characters"),
        ("a: *nope", "undefined alias"),
        ("a" * 2_000_000, "2000000 characters"),
    ],
)
def test_what_is_not_to_be_read_is_named(text, complaint):
    with pytest.raises(WallOSSError, match=complaint) as caught:
        strict_yaml.load(text, "The file mine.yaml")
    assert str(caught.value).startswith("The file mine.yaml") and "\n" not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(WallOSSError):
        strict_yaml.load(text, "x")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab:-1e.0yn~ \t\n", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_VALUES)
def test_what_is_written_is_what_is_read(value):
    # Texts in quotes, so that the writer's older rules for plain ones do not matter.
    text = (
        yaml.safe_dump(value, default_style='"') if not isinstance(value, float) else repr(value).replace("inf", ".inf")
    )
    assert strict_yaml.load(text, "x") == value


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(WallOSSError, match="cannot be read"):
        strict_yaml.read(tmp_path, "The recipe")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    with pytest.raises(WallOSSError, match="byte 3 is not UTF-8"):
        strict_yaml.read(tmp_path / "latin.yaml", "The recipe")


def _profile(tmp_path, old: str, new: str):
    from wall_oss_ros.paths import data_path

    text = data_path("config/robots/franka.yaml").read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new, 1))
    return path, text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize("value", ["true", '"10.0"', "12:30", "yes", "[10.0]", "1_0"])
def test_no_text_and_no_truth_is_a_number(tmp_path, value):
    path, line = _profile(tmp_path, "rate_hz: ", f"rate_hz: {value} # ")
    with pytest.raises(WallOSSError, match=rf"field rate_hz: .*\(line {line}\)"):
        load_profile(path)


def test_exponents_are_numbers(tmp_path):
    path, _ = _profile(tmp_path, "rate_hz: ", "rate_hz: 2e1 # ")
    assert load_profile(path).rate_hz == 20.0


def test_two_speeds_are_one_too_many(tmp_path):
    path, _ = _profile(tmp_path, "  max_tcp_speed: ", "  max_tcp_speed: 6.0\n  max_tcp_speed: ")
    with pytest.raises(WallOSSError, match=r"mine.yaml .*line \d+: the key 'max_tcp_speed' is there already"):
        load_profile(path)


def test_recipes_are_read_as_strictly(tmp_path):
    from wall_oss_ros.paths import data_path

    text = data_path("config/training/tiny.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text + "seed: 3\n")
    with pytest.raises(WallOSSError, match="the key 'seed' is there already"):
        load_recipe(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(text + "clip: true\n")
    with pytest.raises(WallOSSError, match="field clip: .*number"):
        load_recipe(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("")
    with pytest.raises(WallOSSError, match="c.yaml"):
        load_recipe(tmp_path / "c.yaml")
