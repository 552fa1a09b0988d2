# SPDX-License-Identifier: Apache-2.0
"""From a subtask's words to a place: what is asked, what counts as an answer, and where a pixel lies."""

from dataclasses import replace

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cell import mount
from wall_oss_ros.sim.cubes.language import FRAME, LANGUAGE
from wall_oss_ros.sim.cubes.scene import CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.uni_cot.grounding import SubtaskLocator, named_object, parse_point, pointing_question

PROFILE = load_profile("franka")
FRONT, WRIST = PROFILE.simulation.cameras


@pytest.mark.parametrize(
    "subtask, thing",
    [
        ("pick up the red cube", "red cube"),
        ("place it in the left tray", "left tray"),
        ("put the red cube in the left tray", "red cube"),
        ("take the red tray with both hands", "red tray"),
        ("Lift the red tray.", "red tray"),
        ("take the half-full cup, then the spoon", "half-full cup"),
        ("place it next to the blue cube", "blue cube"),
        ("the the", None),
        ("wait", None),
        ("breathe and lathe", None),
    ],
)
def test_the_thing_is_what_follows_the_article(subtask, thing):
    assert named_object(subtask) == thing


@pytest.mark.parametrize(
    "answer, pixel",
    [
        ("<point>[53, 38]</point>", (53, 38)),
        (" <point>[0,111]</point>\n", (0, 111)),
        ("not in view", None),
        ("[53, 38]", None),
        ("<point>[-3, 38]</point>", None),
        ("<point>[53, 38, 2]</point>", None),
        ("red <point>[53, 38]</point>, blue <point>[5, 3]</point>", None),
    ],
)
def test_only_one_point_is_an_answer(answer, pixel):
    assert parse_point(answer) == pixel


def test_the_question_is_the_one_that_the_model_was_trained_with():
    frame, rng = np.zeros((), FRAME)[()], np.random.default_rng(0)
    trained = {LANGUAGE.point_front(rng, frame)[0] for _ in range(50)}
    assert (
        prompts.ask_suffix(pointing_question("red cube")) in trained
        and prompts.ask_suffix(pointing_question("left tray")) in trained
    )


@pytest.fixture(scope="module")
def simulator():
    simulator = CubeSimulator(CubeSpec.random(np.random.default_rng(4)), PROFILE)
    simulator.place_robot(simulator.arm.home + [0.3, 0.1, -0.2, 0.2, 0.1, -0.1, 0.4], 0.05)
    return simulator


def frames():
    made = Frames(PROFILE)
    made.mount(PROFILE.arm.base_frame, "front", mount(FRONT))
    made.mount(WRIST.link, "housing", mount(WRIST))
    made.mount("housing", "wrist", np.eye(4))
    made.mount("nowhere", "lost", np.eye(4))
    made.mount("round", "about", np.eye(4))
    made.mount("about", "round", np.eye(4))
    return made


def test_cameras_are_where_the_simulator_has_them(simulator):
    joints = dict(zip(PROFILE.arm.joints, simulator.arm.q))
    for name, view in (("front", FRONT.view), ("wrist", WRIST.view)):
        pose, truth = frames().pose(name, PROFILE.arm.base_frame, joints), simulator.camera(view)
        np.testing.assert_allclose(pose[:3, 3], truth["position"], atol=1e-6)
        np.testing.assert_allclose(pose[:3, :3], truth["rotation"], atol=1e-6)


def test_what_is_not_known_has_no_pose(simulator):
    base, joints = PROFILE.arm.base_frame, dict(zip(PROFILE.arm.joints[:-1], simulator.arm.q))
    assert frames().pose("wrist", base, joints) is None, "the last joint is between"
    assert frames().pose("wrist", WRIST.link, {}) is not None and frames().pose("front", base, {}) is not None
    for name in ("lost", "round", "never heard of"):
        assert frames().pose(name, base, joints) is None


class Policy:
    """Answers with a given text, and counts the questions."""

    image_size, views = 112, [FRONT.view]

    def __init__(self, answer=""):
        self.answer, self.asked = answer, []

    def unknown_words(self, text):
        return [word for word in ("mauve",) if word in text]

    def ask(self, obs, text):
        self.asked.append(text)
        return self.answer


def seen(size=(112, 112)):
    """An observation whose first view is calibrated; of another size than the model takes, it was stretched."""
    height, width = size
    focal = np.array([width, height]) / 2 / np.tan(np.radians(FRONT.field_of_view) / 2)
    matrix = np.array([[focal[0], 0, width / 2], [0, focal[1], height / 2], [0, 0, 1]])
    return Observation(
        0.0, {FRONT.view: np.zeros((height, width, 3), np.uint8)}, np.zeros(20), np.zeros(20, bool),
        {FRONT.view: Camera(matrix, mount(FRONT))},
    )  # fmt: skip


@pytest.mark.parametrize("size", [(112, 112), (480, 640)])
def test_a_pixel_becomes_the_place_on_the_table(simulator, size):
    place = np.array([0.52, 0.13, PROFILE.arm.workspace.min[2]])
    x, y = simulator.project(FRONT.view, place).astype(int)
    policy = Policy(f"<point>[{x}, {y}]</point>")
    found = SubtaskLocator(policy, PROFILE)(seen(size), "pick up the red cube")
    assert found == pytest.approx(place, abs=0.008), "to within a pixel"
    assert policy.asked == ["Point to the red cube."]


@pytest.mark.parametrize("answer", ["not in view", "<point>[200, 5]</point>", "<point>[1, 1]</point>"])
def test_no_place_is_made_up(answer):
    assert SubtaskLocator(Policy(answer), PROFILE)(seen(), "pick up the red cube") is None, (
        "no point, outside the view, on the floor far off"
    )


def test_nothing_is_asked_in_vain():
    policy = Policy("<point>[50, 50]</point>")
    locate = SubtaskLocator(policy, PROFILE)
    assert locate(seen(), "wait") is None
    assert locate(seen(), "pick up the mauve cube") is None, "a word that the model does not know"
    assert locate(replace(seen(), cameras={}), "pick up the red cube") is None, "nobody knows where the camera is"
    assert policy.asked == []
