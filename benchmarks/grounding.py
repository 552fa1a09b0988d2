#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far the place that is found lies from the true thing, by depth and without, on simulated scenes.

The scenes have two trays and cubes on the table, or anywhere in the course of a task, one of them often in the hand.
The model is asked to point to each thing in the front view. Its pixel, and beside it the true one of the thing's
centre, become places in several ways:

- `floor`: on the workspace's floor, as the planner does without depth
- `depth`: by the depth image, as the planner does
- `nearest`, `median`, `pixel`: other ways to take a distance from the window around the pixel: that of the nearest
  surface with at least 30 % of it, the median of all of it, and the pixel alone
- each of these again with a depth image that is `faulty`, as cameras' are: noise of 0.3 %, a tenth of the pixels
  missing, mixtures of both sides at edges

`centre` is the distance from the place to the thing's centre, `thing` that to the nearest point of its body: a place by
depth is on its surface. Things that are hidden in the picture are left out.

    python benchmarks/grounding.py                     # the shipped model for cubes, 100 scenes of each kind
    python benchmarks/grounding.py --scenes 20 --json out.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from wall_oss_ros.perception.depth import millimetres
from wall_oss_ros.policy.checkpoints import model_directory
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.policy.policy import Policy
from wall_oss_ros.robots.rotations import matrix_from_quaternion
from wall_oss_ros.sim.cubes.scene import CUBE_SIZE, TRAY_INNER, TRAY_WALL
from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.uni_cot.grounding import Grounder, Method, pointing_question
from wall_oss_ros.uni_cot.spots import only_spot
from wall_oss_ros.uni_cot.surface import NoDepthError, surfaces, window

VIEW, SIZE = "face_view", 112
HIDDEN = 0.04  # m: what is seen this far before a thing's centre is something else; a cube's corner is 35 mm off
HIGH = CUBE_SIZE  # m: a centre this high above the table is no longer that of something that lies on it


@dataclass(frozen=True)
class Thing:
    """A box of the base frame: its name, its kind, its centre (3,), its axes (3, 3) and its size (3,), m."""

    name: str
    kind: str
    centre: np.ndarray
    axes: np.ndarray
    size: np.ndarray

    def distance(self, place: np.ndarray) -> float:
        """From a place to the nearest point of the body, m."""
        inside = self.axes.T @ (place - self.centre)
        return float(np.linalg.norm(np.maximum(np.abs(inside) - self.size / 2, 0)))


def things(simulator) -> Iterator[Thing]:
    for colour, (centre, quaternion) in simulator.cubes().items():
        kind = "cube in the air" if centre[2] > HIGH else "cube on the table"
        yield Thing(f"{colour} cube", kind, centre, matrix_from_quaternion(quaternion), np.full(3, CUBE_SIZE))
    for tray in simulator.spec.trays:
        centre = np.array([tray.x, tray.y, TRAY_WALL / 2])
        yield Thing(f"{tray.side} tray", "tray", centre, np.eye(3), np.array([TRAY_INNER, TRAY_INNER, TRAY_WALL]))


def observe(simulator, profile) -> tuple[Observation, np.ndarray]:
    """What perception would say of the present moment, and the front view's depth, (SIZE, SIZE) float32 m."""
    obs, seen = simulator.observation(profile), simulator.camera(VIEW)
    focal, pose = SIZE / 2 / np.tan(seen["fov"] / 2), np.eye(4)
    pose[:3, :3], pose[:3, 3] = seen["rotation"], seen["position"]
    matrix = np.array([[focal, 0, SIZE / 2], [0, focal, SIZE / 2], [0, 0, 1]])
    depth = simulator.render_with_depth(VIEW, SIZE, SIZE)[1]
    obs = replace(obs, cameras={VIEW: Camera(matrix, pose)}, depths={VIEW: millimetres(depth, 1000.0)})
    return obs, depth


def faulty(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A depth image as cameras give it, uint16 mm: noise, gaps, and at edges distances between the two sides."""
    made = depth * (1 + rng.normal(0, 0.003, depth.shape))
    beside = np.roll(depth, 1, axis=1)
    edge = (np.abs(beside - depth) > 0.02) & (rng.random(depth.shape) < 0.5)
    share = rng.random(depth.shape)
    made = np.where(edge, share * depth + (1 - share) * beside, made)
    return millimetres(np.where(rng.random(depth.shape) < 0.1, 0.0, made), 1000.0)


def by_distance(obs: Observation, pixel: np.ndarray, mm: float) -> np.ndarray:
    camera = obs.cameras[VIEW]
    return camera.pose[:3, 3] + camera.pose[:3, :3] @ camera.rays(pixel) * mm / 1000


def places(ground: Grounder, obs: Observation, rough: np.ndarray, pixel: np.ndarray) -> dict[str, np.ndarray | None]:
    """A pixel's place (3,) by each way; None where a way finds none."""
    found = {"floor": ground.place(replace(obs, depths={}), VIEW, pixel).position}
    for depth, suffix in ((obs.depths[VIEW], ""), (rough, ", faulty")):
        place = ground.place(replace(obs, depths={VIEW: depth}), VIEW, pixel)
        found[f"depth{suffix}"] = place.position if place.method == Method.DEPTH else None
        for way, mm in distances(depth, pixel).items():
            found[way + suffix] = None if mm is None else by_distance(obs, pixel, mm)
    return found


def distances(depth: np.ndarray, pixel: np.ndarray) -> dict[str, float | None]:
    """Other ways to take a distance from the window around a pixel, mm."""
    try:
        known = window(depth, *pixel)
    except NoDepthError:
        return dict.fromkeys(("nearest", "median", "pixel"))
    known = np.sort(known[known > 0].astype(float))
    alone = float(depth[int(pixel[1]), int(pixel[0])])
    fair = [float(np.median(one)) for one in surfaces(known) if len(one) >= 0.3 * len(known)]
    middle = float(np.median(known)) if len(known) else None
    return {"nearest": fair[0] if fair and len(known) else None, "median": middle, "pixel": alone or None}


def measure(scenes: int, seed: int, policy: Policy, task) -> tuple[dict, dict]:
    """Distances (centre, thing) in m, None where nothing was found, by (kind, whose pixel, way); and counts."""
    environment, ground = task.environment(np.random.default_rng(seed)), Grounder(policy, task.profile)
    rng, found, counts = np.random.default_rng(seed + 1), defaultdict(list), defaultdict(int)
    for number in range(2 * scenes):
        if number < scenes:
            environment.new_scene()
        else:
            while not environment.pose():
                pass
        simulator = environment.simulator
        obs, depth = observe(simulator, task.profile)
        rough, seen = faulty(depth, rng), simulator.camera(VIEW)
        for thing in things(simulator):
            true = simulator.project(VIEW, thing.centre)
            away = (seen["rotation"].T @ (thing.centre - seen["position"]))[2]
            if not ((true >= 0) & (true < SIZE)).all() or depth[int(true[1]), int(true[0])] < away - HIDDEN:
                counts["hidden"] += 1
                continue
            counts["asked"] += 1
            spot = only_spot(policy.ask(obs, pointing_question(thing.name)))
            pixels = {"true": true}
            if spot is None:
                counts["not pointed at"] += 1
            else:
                pixels["model"] = np.array(spot.middle) + 0.5
                found[thing.kind, "model", "pixels"].append((float(np.linalg.norm(pixels["model"] - true)),) * 2)
            for whose, pixel in pixels.items():
                for way, place in places(ground, obs, rough, pixel).items():
                    if place is None:
                        counts[f"no place: {whose}, {way}"] += 1
                        continue
                    off = float(np.linalg.norm(place - thing.centre)), thing.distance(place)
                    found[thing.kind, whose, way].append(off)
    return dict(found), dict(counts)


def summary(found: dict) -> list[dict]:
    """Medians and 90th percentiles in mm (in pixels for the model's own error), for each kind and all together."""
    rows = []
    groups = defaultdict(list)
    for (kind, whose, way), offs in found.items():
        groups[kind, whose, way] += offs
        groups["all", whose, way] += offs
    for (kind, whose, way), offs in sorted(groups.items()):
        scale = 1 if way == "pixels" else 1000
        centre, body = scale * np.array(offs).T
        rows.append(
            {"things": kind, "pixel": whose, "way": way, "n": len(offs)}
            | {f"{name}_{q}": round(float(np.percentile(values, q)), 1)
               for name, values in (("centre", centre), ("thing", body)) for q in (50, 90)}
        )  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=100, help="of each of the two kinds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=20_000, help="of the scenes (default: %(default)s)")
    parser.add_argument("--model", help="a checkpoint; by default the one that ships")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go, too")
    args = parser.parse_args()
    task = task_of("franka")
    policy = Policy.from_pretrained(model_directory(args.model, task.profile), threads=1, profile=task.profile)
    found, counts = measure(args.scenes, args.seed, policy, task)
    rows = summary(found)
    print(f"{'things':18} {'pixel':6} {'way':15} {'n':>4}  centre: median, 90 %    thing: median, 90 %   (mm; pixels)")
    for row in rows:
        print(
            f"{row['things']:18} {row['pixel']:6} {row['way']:15} {row['n']:4}  "
            f"{row['centre_50']:14.1f} {row['centre_90']:7.1f}  {row['thing_50']:13.1f} {row['thing_90']:6.1f}"
        )
    print(json.dumps(counts))
    if args.json:
        about = {"scenes": 2 * args.scenes, "seed": args.seed, "checkpoint": policy.checkpoint, "cores": os.cpu_count()}
        args.json.write_text(json.dumps({**about, "counts": counts, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
