# SPDX-License-Identifier: Apache-2.0
"""Print what ships with the project: robots, models, recipes of training, mappings of datasets.

examples:
  wall-oss list
  wall-oss list robots
  wall-oss list models --json
"""

from __future__ import annotations

import argparse
import json

from wall_oss_ros.commands.graph import add_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", choices=_WHAT, help="robots, models, recipes or mappings (default: all)")
    add_json(parser)


def main(args: argparse.Namespace) -> int:
    """Prints a table, or JSON."""
    if args.what is None:
        every = {what: rows() for what, rows in _WHAT.items()}
        if args.json:
            print(json.dumps(every, indent=1))
        for what, rows in () if args.json else every.items():
            print(f"{what}:")
            _print(rows, "  ")
        return 0
    rows = _WHAT[args.what]()
    if args.json:
        print(json.dumps(rows, indent=1))
    else:
        _print(rows)
    return 0


def _print(rows: list[dict], indent: str = "") -> None:
    lines = [list(rows[0]), *([_words(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print(indent + "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip())


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _robots() -> list[dict]:
    from wall_oss_ros.policy.checkpoints import shipped_model
    from wall_oss_ros.robots.profile import available_profiles, load_profile, read_content

    rows = []
    for name in available_profiles():
        profile = load_profile(name)
        rows.append(
            {
                "name": name,
                "robot": profile.full_name,
                "arms": len(profile.arms),
                "views": [view.name for view in profile.views],
                "simulated": profile.simulation is not None,
                "model": shipped_model(profile),
                "variants": [f"{name}:{variant}" for variant in _variants(read_content(name)[1])],
            }
        )
    return rows


def _variants(source: str) -> list[str]:
    from wall_oss_ros import strict_yaml

    return list(strict_yaml.load(source, "The robot profile").get("variants") or ())


def _models() -> list[dict]:
    from wall_oss_ros.paths import data_path
    from wall_oss_ros.policy.checkpoints import robots_of, views_of

    rows = []
    for config in sorted(data_path("models").glob("*/config.json")):
        folder = config.parent
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        rows.append(
            {
                "name": folder.name,
                "robots": sorted(robots_of(folder)),
                "views": sorted(views_of(folder)),
                "megabytes": round(size / 1e6, 1),
                "folder": str(folder),
            }
        )
    return rows


def _recipes() -> list[dict]:
    from wall_oss_ros.paths import data_path
    from wall_oss_ros.training.recipe import load_recipe

    rows = []
    for file in sorted(data_path("config/training").glob("*.yaml")):
        recipe = load_recipe(file)
        data = "datasets" if recipe.datasets else "simulation"
        steps = sum(stage.steps for stage in recipe.stages)
        rows.append({"name": file.stem, "trains on": data, "starts from": recipe.start or "nothing", "steps": steps})
    return rows


def _mappings() -> list[dict]:
    from wall_oss_ros.paths import data_path

    return [{"name": file.stem, "file": str(file)} for file in sorted(data_path("config/mappings").glob("*.yaml"))]


_WHAT = {"robots": _robots, "models": _models, "recipes": _recipes, "mappings": _mappings}
