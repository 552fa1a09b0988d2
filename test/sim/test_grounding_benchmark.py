# SPDX-License-Identifier: Apache-2.0
"""The benchmark of places (benchmarks/grounding.py): what it takes for the truth, and that its ways are their names."""

import sys
from pathlib import Path

import numpy as np
import pytest

from wall_oss_ros.sim.registry import task_of
from wall_oss_ros.uni_cot.grounding import Grounder

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import grounding

TASK = task_of("franka")


class Policy:
    views, image_size = ["face_view", "right_wrist_view"], 112

    def ask(self, obs, question):
        return "<point>[50, 60]</point>" if "cube" in question else "not in view"


@pytest.fixture(scope="module")
def simulator():
    made = TASK.simulator(TASK.spec.random(np.random.default_rng(4)))
    made.place_cube(made.spec.colours[0], (0.5, 0.05, 0.35))
    yield made
    made.close()


def test_by_depth_a_true_pixel_lies_on_the_thing_and_on_the_floor_far_from_one_in_the_air(simulator):
    obs, depth = grounding.observe(simulator, TASK.profile)
    rough, ground = grounding.faulty(depth, np.random.default_rng(0)), Grounder(Policy(), TASK.profile)
    kinds = set()
    for thing in grounding.things(simulator):
        pixel = simulator.project(grounding.VIEW, thing.centre)
        found = grounding.places(ground, obs, rough, pixel)
        for way in ("depth", "nearest", "median", "pixel", "depth, faulty", "median, faulty"):
            assert thing.distance(found[way]) < 0.012, (thing.name, way)
        if thing.kind == "cube in the air":
            assert found["floor"] is None or np.linalg.norm(found["floor"] - thing.centre) > 0.15
        else:
            assert thing.distance(found["floor"]) < 0.01
        kinds.add(thing.kind)
    assert kinds == {"cube in the air", "cube on the table", "tray"}


def test_faults_are_noise_gaps_and_mixtures():
    depth = np.where(np.arange(112) < 56, 0.7, 0.9)[None].repeat(112, axis=0).astype(np.float32)
    rough = grounding.faulty(depth, np.random.default_rng(0)).astype(float) / 1000
    assert 0.05 < (rough == 0).mean() < 0.15
    known = rough > 0
    assert 0.001 < np.abs(rough - depth)[known][:3000].std() < 0.02
    mixed = (rough > 0.72) & (rough < 0.88)
    assert mixed[:, 55:57].sum() > 10 and mixed.sum() == mixed[:, [0, 56]].sum(), "at edges only"


def test_the_distance_to_a_thing_is_that_to_its_body():
    cube = grounding.Thing("cube", "", np.array([1.0, 0, 0]), np.eye(3), np.full(3, 0.04))
    assert cube.distance(np.array([1.01, 0.01, 0])) == 0
    assert cube.distance(np.array([1.05, 0, 0])) == pytest.approx(0.03)
    assert cube.distance(np.array([1.05, 0.06, 0])) == pytest.approx(0.05)


def test_what_is_not_pointed_at_is_counted_and_medians_are_of_what_is(simulator):
    found, counts = grounding.measure(1, 7, Policy(), TASK)
    assert counts["asked"] + counts.get("hidden", 0) == 10 and counts["not pointed at"] >= 1
    rows = {(row["things"], row["pixel"], row["way"]): row for row in grounding.summary(found)}
    assert rows["all", "true", "depth"]["n"] == counts["asked"] and ("tray", "model", "depth") not in rows
    assert rows["all", "true", "depth"]["thing_90"] < 12
    offs = sorted(1000 * centre for centre, _ in found["tray", "true", "floor"])
    assert rows["tray", "true", "floor"]["centre_50"] == pytest.approx(np.median(offs), abs=0.06)
