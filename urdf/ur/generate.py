# SPDX-License-Identifier: Apache-2.0
"""Writes the URDFs of the Universal Robots from their table of figures, ``types.yaml``: ``python urdf/ur/generate.py``.

Links, joints and frames have the names and places of ur_description, so that a profile fits the real driver as well.
The shapes are our own, from primitives, and so is the two-finger gripper at the flange, of the size of a Robotiq 2F-85:
its fingers slide, and follow the knuckle joint that the real one's driver reports.
"""

from __future__ import annotations

import math
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent
JOINTS = ("shoulder_pan", "shoulder_lift", "elbow", "wrist_1", "wrist_2", "wrist_3")
KNUCKLE = "robotiq_85_left_knuckle_joint"
STROKE, CLOSED = 0.085, 0.8  # m between the fingers; rad of the knuckle when they meet
_TCP = 0.150  # m from the flange, between the fingertips
_FINGER = 0.105  # m from the flange, where the fingers begin
_ALONG_X, _ALONG_Y, _ALONG_Z = f"0 {math.pi / 2:.8f} 0", f"{math.pi / 2:.8f} 0 0", "0 0 0"


def types() -> dict[str, dict]:
    """The table, by ur_type; its fields are explained in the file."""
    return yaml.safe_load((FOLDER / "types.yaml").read_text(encoding="utf-8"))


def urdf(ur_type: str) -> str:
    """The URDF of an arm of the table, with the gripper."""
    arm = types()[ur_type]
    lines = [
        '<?xml version="1.0"?>',
        "<!-- SPDX-License-Identifier: Apache-2.0 -->",
        f"<!-- A {ur_type} with a two-finger gripper. Written by urdf/ur/generate.py from types.yaml: edit these. -->",
        f'<robot name="{ur_type}">',
        "  <!-- Read by MuJoCo only: keep the coloured visual shapes and every named frame. -->",
        '  <mujoco><compiler discardvisual="false" fusestatic="false" balanceinertia="true"/></mujoco>',
        *(
            f'  <material name="{name}"><color rgba="{rgba}"/></material>'
            for name, rgba in (
                ("silver", "0.78 0.79 0.81 1"),
                ("blue", "0.36 0.55 0.72 1"),
                ("dark", "0.25 0.26 0.28 1"),
                ("black", "0.10 0.10 0.11 1"),
            )
        ),
        *_arm_links(arm),
        *_arm_joints(arm),
        *_gripper(),
        "</robot>",
    ]
    return "\n".join(lines) + "\n"


def _arm_links(arm: dict) -> list[str]:
    d1, a2, a3, d4, d5, d6 = arm["dh"]
    upper, fore = arm["tube"]
    base, thick, thin, wrist = arm["radius"]
    low = d1 - 1.1 * base  # where the turning part of the shoulder begins
    shapes = {  # radius, from, to, along the axis at the place (x, y, z), colour
        "base_link_inertia": [
            _tube(base * 1.15, (0, 0, 0.015), 0.03, "z", "dark"),
            _tube(base, (0, 0, low / 2), low, "z"),
        ],
        "shoulder_link": [
            _tube(base, (0, 0, 0), 2 * 1.1 * base, "z"),
            _tube(base * 0.9, (0, base * 1.1, 0), 0.02, "y", "blue"),
        ],
        "upper_arm_link": [
            _tube(base * 0.95, (0, 0, upper), 1.9 * thick, "z"),
            _tube(base * 0.85, (0, 0, upper + 0.95 * thick + 0.01), 0.02, "z", "blue"),
            _tube(thick, (-a2 / 2, 0, upper), a2, "x"),
            _tube(base * 0.8, (-a2, 0, upper), 1.9 * thick, "z"),
            _tube(base * 0.7, (-a2, 0, upper + 0.95 * thick + 0.01), 0.02, "z", "blue"),
        ],
        "forearm_link": [
            _tube(base * 0.75, (0, 0, (fore + upper) / 2 - thick / 2), upper - fore, "z"),
            _tube(thin, (-a3 / 2, 0, fore), a3, "x"),
            _tube(wrist * 1.1, (-a3, 0, (fore + d4) / 2 - wrist / 2), max(d4 - fore, 2 * wrist), "z"),
        ],
        "wrist_1_link": [
            _tube(wrist * 1.05, (0, 0, 0), 2.1 * wrist, "z"),
            _tube(wrist, (0, -d5 / 2, 0), d5, "y"),
            _tube(wrist * 0.95, (0, 0, 1.05 * wrist + 0.006), 0.012, "z", "blue"),
        ],
        "wrist_2_link": [
            _tube(wrist * 1.05, (0, 0, 0), 2.1 * wrist, "z"),
            _tube(wrist, (0, d6 / 2 - 0.02, 0), d6 - 0.04, "y"),
            _tube(wrist * 0.95, (0, 0, 1.05 * wrist + 0.006), 0.012, "z", "blue"),
        ],
        "wrist_3_link": [_tube(wrist * 0.85, (0, 0, -0.02), 0.04, "z", "dark")],
    }
    places = ((0, 0, 0), (-a2 / 2, 0, upper), (-a3 / 2, 0, fore), (0, 0, 0), (0, 0, 0), (0, 0, -0.02))
    sizes = (base, a2, a3, 2 * wrist, 2 * wrist, 2 * wrist)
    inertials = [_inertial(4.0, (0, 0, low / 2), base)]
    inertials += [_inertial(m, place, size) for m, place, size in zip(arm["mass"], places, sizes)]
    lines = ['  <link name="base_link"/>']
    for (name, parts), inertial in zip(shapes.items(), inertials):
        lines += [f'  <link name="{name}">', inertial, *_drawn(parts), "  </link>"]
    return [*lines, '  <link name="flange"/>', '  <link name="tool0"/>']


def _arm_joints(arm: dict) -> list[str]:
    d1, a2, a3, d4, d5, d6 = arm["dh"]
    half = f"{math.pi / 2:.9f}"
    full = f"{math.pi:.9f}"
    links = ("base_link_inertia", "shoulder_link", "upper_arm_link", "forearm_link", "wrist_1_link", "wrist_2_link",
             "wrist_3_link")  # fmt: skip
    origins = (
        ((0, 0, d1), "0 0 0"), ((0, 0, 0), f"{half} 0 0"), ((-a2, 0, 0), "0 0 0"), ((-a3, 0, d4), "0 0 0"),
        ((0, -d5, 0), f"{half} 0 0"), ((0, d6, 0), f"{half} {full} {full}"),
    )  # fmt: skip
    lines = [_fixed("base_link-base_link_inertia", "base_link", "base_link_inertia", (0, 0, 0), f"0 0 {full}")]
    for i, joint in enumerate(JOINTS):
        # The elbow's is half of the others', as in ur_description: it cannot go farther.
        reach = math.pi if joint == "elbow" else 2 * math.pi
        place, rpy = origins[i]
        lines += [
            f'  <joint name="{joint}_joint" type="revolute">',
            f'    <parent link="{links[i]}"/><child link="{links[i + 1]}"/>'
            f'<origin xyz="{_numbers(place)}" rpy="{rpy}"/>',
            f'    <axis xyz="0 0 1"/><limit lower="{-reach:.6f}" upper="{reach:.6f}" effort="{arm["torque"][i]}" '
            f'velocity="{math.radians(arm["speed"][i]):.6f}"/>',
            "  </joint>",
        ]
    return [
        *lines,
        _fixed("wrist_3-flange", "wrist_3_link", "flange", (0, 0, 0), f"0 -{half} -{half}"),
        _fixed("flange-tool0", "flange", "tool0", (0, 0, 0), f"{half} 0 {half}"),
    ]


def _gripper() -> list[str]:
    body = [
        _tube(0.0375, (0, 0, 0.006), 0.012, "z", "dark"),
        _tube(0.035, (0, 0, 0.045), 0.07, "z", "black"),
        _box((0.045, 0.13, 0.03), (0, 0, 0.09), "black"),
    ]
    lines = ['  <link name="robotiq_85_base_link">', _inertial(0.85, (0, 0, 0.05), 0.06), *_drawn(body), "  </link>"]
    lines += ['  <link name="gripper_tcp"/>', '  <link name="robotiq_85_left_knuckle_link">']
    lines += [_inertial(0.02, (0, 0, 0), 0.02), "  </link>"]
    for side, sign in (("left", 1), ("right", -1)):
        parts = [
            _box((0.022, 0.014, 0.03), (0, sign * 0.016, 0.017), "dark"),
            _box((0.022, 0.010, 0.032), (0, sign * 0.005, 0.038), "black"),
        ]
        lines += [
            f'  <link name="gripper_{side}_finger">',
            _inertial(0.03, (0, sign * 0.012, 0.025), 0.02),
            *_drawn(parts),
        ]
        lines.append("  </link>")
    lines += [
        _fixed("tool0-gripper", "tool0", "robotiq_85_base_link", (0, 0, 0), "0 0 0"),
        _fixed("gripper-tcp", "robotiq_85_base_link", "gripper_tcp", (0, 0, _TCP), "0 0 0"),
        f'  <joint name="{KNUCKLE}" type="revolute">',
        '    <parent link="robotiq_85_base_link"/><child link="robotiq_85_left_knuckle_link"/>'
        '<origin xyz="0 0.03 0.055" rpy="0 0 0"/>',
        f'    <axis xyz="1 0 0"/><limit lower="0.0" upper="{CLOSED}" effort="50" velocity="0.5"/>',
        "  </joint>",
    ]
    for side, sign in (("left", 1), ("right", -1)):
        lines += [
            f'  <joint name="gripper_{side}_finger_joint" type="prismatic">',
            f'    <parent link="robotiq_85_base_link"/><child link="gripper_{side}_finger"/>'
            f'<origin xyz="0 0 {_FINGER}" rpy="0 0 0"/>',
            f'    <axis xyz="0 {sign} 0"/><limit lower="0.0" upper="{STROKE / 2}" effort="60" velocity="0.2"/>',
            f'    <mimic joint="{KNUCKLE}" multiplier="{-STROKE / 2 / CLOSED}" offset="{STROKE / 2}"/>',
            "  </joint>",
        ]
    return lines


# Shapes are pairs of an origin and a geometry, and a colour.


def _tube(radius: float, place: tuple, length: float, axis: str, colour: str = "silver") -> tuple[str, str, str]:
    rpy = {"x": _ALONG_X, "y": _ALONG_Y, "z": _ALONG_Z}[axis]
    return (
        f'<origin xyz="{_numbers(place)}" rpy="{rpy}"/>',
        f'<geometry><cylinder radius="{radius:.4f}" length="{length:.4f}"/></geometry>',
        colour,
    )


def _box(size: tuple, place: tuple, colour: str) -> tuple[str, str, str]:
    return f'<origin xyz="{_numbers(place)}"/>', f'<geometry><box size="{_numbers(size)}"/></geometry>', colour


def _drawn(parts: list[tuple[str, str, str]]) -> list[str]:
    lines = [f'    <visual>{origin}{shape}<material name="{colour}"/></visual>' for origin, shape, colour in parts]
    return lines + [
        f"    <collision>{origin}{shape}</collision>" for origin, shape, colour in parts if colour != "blue"
    ]


def _inertial(mass: float, place: tuple, size: float) -> str:
    """A plausible inertia, not an identified one: a ball's of that size (m), at least a centimetre."""
    moment = 0.1 * mass * max(size, 0.01) ** 2
    return (
        f'    <inertial><mass value="{mass}"/><origin xyz="{_numbers(place)}"/><inertia ixx="{moment:.3g}" '
        f'iyy="{moment:.3g}" izz="{moment:.3g}" ixy="0" ixz="0" iyz="0"/></inertial>'
    )


def _fixed(name: str, parent: str, child: str, place: tuple, rpy: str) -> str:
    return (
        f'  <joint name="{name}" type="fixed"><parent link="{parent}"/><child link="{child}"/>'
        f'<origin xyz="{_numbers(place)}" rpy="{rpy}"/></joint>'
    )


def _numbers(values: tuple) -> str:
    return " ".join(f"{float(value):.6g}" for value in values)


if __name__ == "__main__":
    for ur_type in types():
        (FOLDER / f"{ur_type}.urdf").write_text(urdf(ur_type), encoding="utf-8")
