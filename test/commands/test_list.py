# SPDX-License-Identifier: Apache-2.0
"""wall-oss list: what ships, by name."""

import json

import pytest

from wall_oss_ros.commands.main import main
from wall_oss_ros.robots.profile import available_profiles, load_profile


def told(capsys, what: str) -> dict[str, dict]:
    assert main(["list", what, "--json"]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_robots_are_those_that_can_be_named(capsys):
    robots = told(capsys, "robots")
    assert sorted(robots) == available_profiles()
    for row in robots.values():
        assert len(load_profile(row["name"]).arms) == row["arms"]
        for variant in row["variants"]:
            load_profile(variant)
    assert robots["franka"]["variants"] == [] and "ur:ur10e" in robots["ur"]["variants"]


def test_models_recipes_and_mappings(capsys):
    assert told(capsys, "models")["wall-oss-tiny"]["robots"] == ["franka", "ur"]
    recipes = told(capsys, "recipes")
    assert recipes["tiny"]["trains on"] == "simulation" and recipes["own_robot"]["trains on"] == "datasets"
    assert {"aloha", "libero", "so100"} <= set(told(capsys, "mappings"))


@pytest.mark.parametrize("what", ["robots", "models", "recipes", "mappings"])
def test_as_a_table_each_is_a_line_under_the_titles(capsys, what):
    rows = told(capsys, what)
    assert main(["list", what]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title.split()[0] == "name" and [line.split()[0] for line in lines] == list(rows)


def test_without_a_word_all_is_listed(capsys):
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    assert all(f"{what}:\n" in said for what in ("robots", "models", "recipes", "mappings")) and "  franka " in said
    assert main(["list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"robots", "models", "recipes", "mappings"}
