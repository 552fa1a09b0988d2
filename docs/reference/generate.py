# SPDX-License-Identifier: Apache-2.0
"""Writes the pages of this folder that follow from the code: parameters, messages, profile, recipe,
mappings, command.

python docs/reference/generate.py           writes them
python docs/reference/generate.py --check   only says which are out of date; exit status 1 if any is
"""

from __future__ import annotations

import argparse
import inspect
import os
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from wall_oss_ros.commands.main import build_parser
from wall_oss_ros.data.bags.spec import BagMapping
from wall_oss_ros.data.mapping.spec import Mapping
from wall_oss_ros.nodes.action_expert import ActionExpertNode
from wall_oss_ros.nodes.control import ControlNode
from wall_oss_ros.nodes.lifecycle_node import COMMON_PARAMETERS
from wall_oss_ros.nodes.mock_gripper import MockGripperNode
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.perception import PerceptionNode
from wall_oss_ros.nodes.plan_markers import PlanMarkersNode
from wall_oss_ros.nodes.planner import PlannerNode
from wall_oss_ros.nodes.simulated_robot import SimulatedRobotNode
from wall_oss_ros.robots.profile import RobotProfile
from wall_oss_ros.training.recipe import Recipe

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NODES = {
    "perception": PerceptionNode,
    "planner": PlannerNode,
    "action_expert": ActionExpertNode,
    "control": ControlNode,
    "plan_markers": PlanMarkersNode,
    "simulated_robot": SimulatedRobotNode,
    "mock_gripper": MockGripperNode,
}


def first_paragraph(thing: object) -> str:
    """The beginning of a docstring, on one line."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


# --- ROS -------------------------------------------------------------------------------------------------------------


def parameters() -> str:
    parts = [
        "# Parameters of the nodes",
        "Set at launch (`params_file:=...`, or `-p name:=value` after `--ros-args`); those marked live also while the "
        "node runs: `ros2 param set`. Defaults for a launch are in `config/nodes.yaml`.",
        "## Every node",
        _parameters(COMMON_PARAMETERS),
    ]
    for name, node in NODES.items():
        parts += [f"## {name}", _parameters(node.PARAMETERS)]
    return "\n\n".join(parts)


def _parameters(listed: tuple[Parameter, ...]) -> str:
    def default(one: Parameter) -> str:
        return "`" + (str(one.default).lower() if isinstance(one.default, bool) else str(one.default) or "''") + "`"

    def permitted(one: Parameter) -> str:
        if one.choices is not None:
            return ", ".join(f"`{choice}`" if choice else "`''`" for choice in one.choices)
        return f"{one.low:g} to {one.high:g}" if one.low is not None else ""

    rows = [
        (f"`{one.name}`", default(one), permitted(one), "yes" if one.live else "", one.description)
        for one in sorted(listed, key=lambda one: one.name)
    ]
    return table(("parameter", "default", "permitted", "live", ""), rows)


def messages() -> str:
    parts = ["# Messages, services and actions of wall_oss_msgs"]
    for kind in ("msg", "srv", "action"):
        for path in sorted((ROOT / "wall_oss_msgs" / kind).glob(f"*.{kind}")):
            text = path.read_text().replace("# SPDX-License-Identifier: Apache-2.0\n", "").strip()
            parts += [f"## {path.stem} ({kind})", f"```\n{text}\n```"]
    return "\n\n".join(parts)


# --- files -----------------------------------------------------------------------------------------------------------


def profile() -> str:
    return "\n\n".join(
        [
            "# A robot's profile",
            "`config/robots/*.yaml`, field by field. How to write one: [a new robot](../how-to/new_robot.md).",
            *_models(RobotProfile, {}),
        ]
    )


def recipe() -> str:
    return "\n\n".join(
        [
            "# A training recipe",
            "`config/training/*.yaml`, field by field. How to use one: [training](../how-to/fine_tune.md).",
            *_models(Recipe, {}),
        ]
    )


def mapping() -> str:
    return "\n\n".join(
        [
            "# A mapping of recordings",
            "`config/mappings/*.yaml`, field by field. How to write one: [your own data](../how-to/own_data.md).",
            *_models(Mapping, {}),
        ]
    )


def topic_mapping() -> str:
    return "\n\n".join(
        [
            "# A mapping of topics",
            "What a robot's profile does not say of its bags, for `wall-oss data from-bag --mapping FILE`, field by "
            "field. How to write one: [recordings](../how-to/recordings.md#what-the-profile-does-not-say).",
            *_models(BagMapping, {}),
        ]
    )


def _models(model: type[BaseModel], done: dict[type, None]) -> Iterator[str]:
    """A section for a model, then one for each model that its fields are made of."""
    done[model] = None
    attributes = _attributes(model)
    rows = [
        (f"`{name}`", _type(field.annotation), _default(field), field.description or attributes.get(name, ""))
        for name, field in model.model_fields.items()
    ]
    yield f"## {model.__name__}"
    if text := first_paragraph(model) if model.__doc__ else "":
        yield text
    yield table(("field", "type", "default", ""), rows)
    for field in model.model_fields.values():
        for inner in _inner(field.annotation):
            if inner not in done:
                yield from _models(inner, done)


def _attributes(model: type) -> dict[str, str]:
    """What the docstrings of a model, and of those that it goes on from, say of each attribute."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        lines = inspect.cleandoc(one.__doc__ or "").split("Attributes:\n")
        names: list[str] = []
        for line in textwrap.dedent(lines[1]).splitlines() if len(lines) > 1 else []:
            if line and not line.startswith(" ") and ":" in line:
                key, text = line.split(":", 1)
                names = [name.strip().strip("`") for name in key.split(",")]
                found |= dict.fromkeys(names, text.strip())
            elif line.strip():
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _inner(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _inner(argument)


def _type(annotation: object) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return "none"
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (tuple, list):
        fixed = [one for one in arguments if one is not Ellipsis]
        return f"{len(fixed)} x {_type(fixed[0])}" if len(fixed) > 1 else f"list of {_type(fixed[0])}"
    if origin is dict:
        return f"{_type(arguments[0])}: {_type(arguments[1])}"
    if arguments:  # a union
        return " or ".join(_type(one) for one in arguments if one is not type(None))
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
        return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
            annotation.__name__, annotation.__name__
        )
    return str(annotation).removeprefix("typing.").lower()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ((), {}, []):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value or repr(value)}`"


# --- command line ----------------------------------------------------------------------------------------------------


def command_line() -> str:
    os.environ["COLUMNS"] = "110"  # argparse breaks lines by it
    return "\n\n".join(_helps(build_parser(), "# The command wall-oss", "## wall-oss"))


def _helps(parser: argparse.ArgumentParser, title: str, below: str) -> Iterator[str]:
    """The help of a command, and of the commands that it is a group of."""
    yield title
    yield f"```\n{parser.format_help().strip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in sorted(action.choices.items()):
                yield from _helps(sub, f"{below} {name}", f"#{below} {name}")


PAGES = {
    "parameters.md": parameters,
    "messages.md": messages,
    "profile.md": profile,
    "recipe.md": recipe,
    "mapping.md": mapping,
    "topic_mapping.md": topic_mapping,
    "command_line.md": command_line,
}
NOTE = "<!-- Written by docs/reference/generate.py from the code: edit that, and run it again. -->\n"


def stale() -> list[str]:
    """Pages that are not what the code says."""
    return [name for name, make in PAGES.items() if not _same(HERE / name, make())]


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text() == NOTE + text + "\n"


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        if names := stale():
            print(f"out of date: {', '.join(names)}. Run: python docs/reference/generate.py", file=sys.stderr)
        return bool(names)
    for name, make in PAGES.items():
        (HERE / name).write_text(NOTE + make() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
