# SPDX-License-Identifier: Apache-2.0
"""The Franka's profile, told in each way that a model may say where an arm is to go."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import yaml

from wall_oss_ros.paths import data_path

POSE = {"position_dof": "arm_position", "rotation_dof": "arm_rotation"}
FORMS = {
    "euler": ({"arm_position": 3, "arm_rotation": 3}, POSE),
    "columns": ({"arm_position": 3, "arm_rotation": 6}, POSE),
    "rows": ({"arm_position": 3, "arm_rotation": 6}, POSE | {"rotation_6d": "rows"}),
    "joints": ({"arm_joints": 7}, {"joints_dof": "arm_joints"}),
}
WAYS = [(form, mode) for form in FORMS for mode in ("relative", "absolute")]


def content(form: str, mode: str = "relative") -> dict:
    """The fields of the profile. The arm's entries come first, then the gripper's."""
    fields = yaml.safe_load(data_path("config/robots/franka.yaml").read_text(encoding="utf-8"))
    entries, arm = FORMS[form]
    fields["dof_config"] = entries | {"hand": 1}
    fields["gripper"]["dof"], fields["action_mode"] = "hand", mode
    kept = {key: value for key, value in fields["arm"].items() if not key.endswith("_dof")}
    fields["arm"] = kept | arm
    return fields


def save(folder: Path, fields: dict) -> str:
    """The path of a profile with these fields."""
    path = Path(folder) / "mine.yaml"
    path.write_text(yaml.safe_dump(fields, sort_keys=False), encoding="utf-8")
    return str(path)


@cache
def saved(form: str, mode: str) -> str:
    """The path of the profile in that form."""
    return save(Path(mkdtemp()), content(form, mode))
