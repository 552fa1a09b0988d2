# SPDX-License-Identifier: Apache-2.0
"""From a subtask's words to a place: what is asked, what counts as an answer, and where a pixel lies."""

from dataclasses import replace

import numpy as np
import pytest

from wall_oss_ros.policy import prompts
from wall_oss_ros.policy.observation import Camera, Observation
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.robots.lenses import distortion_of, pixels_of
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.cell import mount
from wall_oss_ros.sim.cubes.language import FRAME, LANGUAGE
from wall_oss_ros.sim.cubes.scene import CubeSpec
from wall_oss_ros.sim.cubes.simulator import CubeSimulator
from wall_oss_ros.uni_cot.grounding import Grounder, Method, SubtaskLocator, pointing_question
from wall_oss_ros.uni_cot.spots import asked_view, named_object, only_spot, spots_in

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
        ("it is at <point>[53, 38]</point>", None),
        ("<box>[10, 20, 30, 44]</box>", (20, 32)),
        ("<box>[30, 20, 10, 44]</box>", None),
        ("<point>[" + "9" * 4000 + ", 3]</point>", None),
        ("<point>[\u0665\u0663, 38]</point>", None),
    ],
)
def test_only_one_point_or_box_is_an_answer(answer, pixel):
    spot = only_spot(answer)
    assert (spot.middle if spot else None) == pixel


def test_points_and_boxes_of_an_answer_have_the_words_before_them():
    answer = "red <point>[53, 38]</point>, the blue one: <box>[1, 2, 3.5, 4]</box> and <point>[7, 8]</point>"
    assert spots_in(answer) == [("red", (53, 38)), ("the blue one", (1, 2, 3.5, 4)), ("and", (7, 8))]
    assert spots_in("nothing is there [3, 4]") == []
    assert len(spots_in("<point>[1, 1]</point>" * 10_000)) < 100, "a model that repeats itself"


def test_the_view_is_the_one_that_the_question_names():
    prompts = {"face_view": "front view", "left_wrist_view": "left wrist view", "right_wrist_view": "right wrist view"}
    views = list(prompts)
    assert asked_view("Point to the red cube.", views, prompts) == "face_view"
    assert asked_view("Point to the red cube in the LEFT wrist view.", views, prompts) == "left_wrist_view"
    assert asked_view("Point to the red cube in the wrist view.", views, prompts) == "face_view", "which one?"
    assert asked_view("Point to the red cube in the wrist view.", views[::2], prompts) == "right_wrist_view"
    assert asked_view("What do you see in view of the camera?", views, {}) == "face_view"


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


# By depth.


def with_depth(depth, size=(112, 112), **fields):
    return replace(seen(size), depths={FRONT.view: depth}, **fields)


def grounded(obs, answer, question="Point to the red cube.", image_size=112):
    policy = Policy(answer)
    policy.image_size = image_size
    return Grounder(policy, PROFILE)(obs, question, answer).found


@pytest.fixture(scope="module")
def scene(simulator):
    """A cube that is held half a metre above the table, and what the camera sees of it: the picture and the depth."""
    simulator.place_cube(simulator.spec.colours[0], (0.5, 0.05, 0.35))
    return np.array([0.5, 0.05, 0.35]), (1000 * simulator.render_with_depth(FRONT.view)[1]).astype(np.uint16)


def test_an_object_in_the_air_is_placed_where_it_is(simulator, scene):
    place, depth = scene
    x, y = simulator.project(FRONT.view, place).astype(int)
    (point,) = grounded(with_depth(depth), f"<point>[{x}, {y}]</point>")
    assert point.place.method == Method.DEPTH and point.place.why == "" and point.label == "red cube"
    assert np.linalg.norm(point.place.position - place) < 0.04, "on the surface of a cube of 4 cm"
    assert SubtaskLocator(Policy(f"<point>[{x}, {y}]</point>"), PROFILE)(
        with_depth(depth), "pick up the red cube"
    ) == pytest.approx(point.place.position)
    (by_floor,) = grounded(seen(), f"<point>[{x}, {y}]</point>")
    assert by_floor.place.method in (Method.FLOOR, Method.UNPLACED) and "depth" in by_floor.place.why
    if by_floor.place.position is not None:
        assert np.linalg.norm(by_floor.place.position - place) > 0.15


def test_depth_of_fewer_pixels_than_the_picture_gives_the_same_place(simulator, scene):
    place, depth = scene
    x, y = simulator.project(FRONT.view, place).astype(int)
    (point,) = grounded(with_depth(depth, (336, 336)), f"<point>[{x}, {y}]</point>")
    assert np.linalg.norm(point.place.position - place) < 0.04


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda depth: depth * 0, "only 0 of"),
        (lambda depth: np.where(np.indices(depth.shape).sum(axis=0) % 4 == 0, depth, 0), "have a depth"),
        (lambda depth: np.random.default_rng(0).integers(100, 10_000, depth.shape), "do not agree"),
    ],
)
def test_without_a_fair_depth_the_floor_is_taken_and_it_is_said(simulator, scene, change, said):
    depth = change(scene[1]).astype(np.uint16)
    place = np.array([0.52, 0.13, PROFILE.arm.workspace.min[2]])
    x, y = simulator.project(FRONT.view, place).astype(int)
    (point,) = grounded(with_depth(depth), f"<point>[{x}, {y}]</point>")
    assert point.place.method == Method.FLOOR and said in point.place.why
    assert point.place.position == pytest.approx(place, abs=0.008)


def test_what_has_no_place_says_why():
    obs = seen()
    (point,) = grounded(obs, "<point>[112, 5]</point>")
    assert point.place == point.place.__class__(Method.UNPLACED, None, "it lies outside of the picture")
    (point,) = grounded(replace(obs, cameras={}), "<point>[11, 5]</point>")
    assert point.place.position is None and "not calibrated" in point.place.why
    (point,) = grounded(obs, "<point>[1, 1]</point>")
    assert point.place.position is None and "floor" in point.place.why
    nowhere = replace(obs.cameras[FRONT.view], pose=np.full((4, 4), np.nan))
    for depths in ({}, {FRONT.view: np.full((112, 112), 700, np.uint16)}):
        (point,) = grounded(replace(obs, cameras={FRONT.view: nowhere}, depths=depths), "<point>[50, 50]</point>")
        assert point.place.position is None and point.place.method == Method.UNPLACED
    assert grounded(obs, "<point>[1, 1]</point>", "Point to it in the lost view") and not grounded(
        replace(obs, images={}), "<point>[1, 1]</point>"
    ), "a view that the observation lacks has no pixels"


def bent(obs, numbers):
    """The same seen through a lens; and its camera."""
    camera = replace(obs.cameras[FRONT.view], distortion=distortion_of("plumb_bob", numbers)[0])
    return replace(obs, cameras={FRONT.view: camera}), camera


def test_a_pixel_seen_through_a_lens_becomes_the_place_that_is_shown_there():
    place = np.array([0.62, -0.21, PROFILE.arm.workspace.min[2]])
    obs, camera = bent(seen((480, 640)), (-0.28, 0.09, 0.001, -0.001, 0.0))
    there = camera.pose[:3, :3].T @ (place - camera.pose[:3, 3])
    far = np.full((480, 640), round(1000 * there[2]), np.uint16)
    x, y = pixels_of(there, camera.matrix, camera.distortion)
    for one, method in ((obs, Method.FLOOR), (replace(obs, depths={FRONT.view: far}), Method.DEPTH)):
        found = Grounder(Policy(), PROFILE).place(one, FRONT.view, np.array([x, y]))
        assert found.method == method and found.position == pytest.approx(place, abs=1e-3)
    as_pinhole = Grounder(Policy(), PROFILE).place(seen((480, 640)), FRONT.view, np.array([x, y]))
    assert np.linalg.norm(as_pinhole.position - place) > 0.005


def test_where_a_lens_shows_nothing_there_is_no_place():
    obs, _ = bent(with_depth(np.full((112, 112), 700, np.uint16)), (-2.0, 0.0, 0.0, 0.0))
    (point,) = grounded(obs, "<point>[1, 1]</point>")
    assert point.place.position is None and "shows nothing there" in point.place.why
    (box,) = grounded(obs, "<box>[1, 1, 111, 111]</box>")
    assert box.place.method == Method.DEPTH and box.corners is None, "its middle is shown, its corners are not"


def test_what_is_far_beyond_reach_is_no_target_but_has_a_place():
    far = with_depth(np.full((112, 112), 9000, np.uint16))
    (point,) = grounded(far, "<point>[50, 50]</point>")
    assert point.place.method == Method.DEPTH
    assert SubtaskLocator(Policy("<point>[50, 50]</point>"), PROFILE)(far, "pick up the red cube") is None


def test_pixels_are_those_of_the_cameras_picture():
    """The model's square was cut from the middle of 640 x 480, turned by half a turn, and made smaller."""
    to_camera = np.array([[-480 / 112, 0, 560.0], [0, -480 / 112, 480], [0, 0, 1]])
    obs = with_depth(np.full((112, 112), 700, np.uint16), to_camera={FRONT.view: to_camera})
    point, box = grounded(obs, "a <point>[0, 0]</point> b <box>[28, 56, 84, 112]</box>")
    assert point.middle == pytest.approx([560 - 240 / 112, 480 - 240 / 112]), "the middle of the pixel"
    assert box.pixels == pytest.approx(np.array([[200, 0], [440, 240.0]])) and (point.label, box.label) == ("a", "b")
    pose = obs.cameras[FRONT.view].pose
    inside = (box.corners - pose[:3, 3]) @ pose[:3, :3]
    assert inside[:, 2] == pytest.approx([0.7] * 4), "all at the distance of the middle"
    assert inside.mean(axis=0) == pytest.approx((box.place.position - pose[:3, 3]) @ pose[:3, :3])
    assert point.corners is None and inside[0, 0] < inside[1, 0] and inside[0, 1] < inside[2, 1]


def test_a_model_that_takes_any_size_points_in_the_picture_as_it_takes_it():
    policy = Policy()
    policy.image_size, policy.taken_size = None, lambda height, width: (height // 2, width // 2)
    obs = with_depth(np.full((60, 80), 700, np.uint16), (480, 640))
    (point,) = Grounder(policy, PROFILE)(obs, "Where?", "<point>[100, 50]</point>").found
    assert point.middle == pytest.approx([201, 101]) and point.place.method == Method.DEPTH
