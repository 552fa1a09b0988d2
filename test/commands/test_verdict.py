# SPDX-License-Identifier: Apache-2.0
"""The verdict on a run, and the choice of a scene that fits an instruction."""

import pytest

from wall_oss_ros.commands.instruction import Judge, choose
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.sim.registry import task_of

CUBES, TRAYS = (task_of(load_profile(robot)) for robot in ("franka", "dual_arm"))


def truth(time=0.0, z=0.02, **places):
    cubes = {colour: {"position": [0.5, 0.0, z], "yaw": 0.0, "where": where} for colour, where in places.items()}
    return {"time": time, "cubes": cubes, "trays": {}}


@pytest.mark.parametrize(
    "instruction, places, z, expected",
    [
        ("put the red cube in the left tray", {"red": "left tray"}, 0.023, True),
        ("put the red cube in the left tray", {"red": "right tray"}, 0.023, False),
        ("put the red cube in the left tray", {"red": "gripper"}, 0.023, False),
        ("put the red cube in the left tray", {"red": "table", "blue": "left tray"}, 0.023, False),
        ("put the red cube in the left tray", {"blue": "left tray"}, 0.023, False),
        ("pick up the blue cube", {"blue": "gripper"}, 0.15, True),
        ("pick up the blue cube", {"blue": "gripper"}, 0.021, False),
        ("pick up the blue cube", {"blue": "table"}, 0.15, False),
        ("dance", {"red": "left tray"}, 0.02, False),
    ],
)
def test_only_the_state_of_the_world_counts(instruction, places, z, expected):
    assert (Judge(CUBES, instruction).held_for(truth(z=z, **places)) > 0) is expected


def test_all_goals_of_an_instruction_must_hold():
    judge = Judge(CUBES, "put the red cube in the left tray and put the blue cube in the right tray")
    assert judge.held_for(truth(red="left tray", blue="table")) == 0
    assert judge.held_for(truth(red="left tray", blue="right tray")) > 0


def test_time_counts_from_the_last_break():
    judge = Judge(CUBES, "put the red cube in the left tray")
    judge.held_for(truth(1.0, red="left tray"))
    assert judge.held_for(truth(3.0, red="left tray")) == pytest.approx(2.0)
    assert judge.held_for(truth(4.0, red="gripper")) == 0
    judge.held_for(truth(5.0, red="left tray"))
    assert judge.held_for(truth(5.5, red="left tray")) == pytest.approx(0.5)


def test_description_says_where_the_cubes_are():
    judge = Judge(CUBES, "put the red cube in the left tray and pick up the blue cube")
    assert judge.describe(truth(z=0.2, red="table", blue="gripper")) == (
        "the red cube is on the table; the blue cube is in the gripper, 20 cm above the table"
    )


@pytest.mark.parametrize("instruction", ["put the yellow cube in the right tray", "pick up the green cube"])
def test_without_a_seed_the_scene_has_what_is_named(instruction):
    text, seed = choose(CUBES, instruction, None)
    assert text == instruction
    assert instruction.split(" cube")[0].split()[-1] in CUBES.scene(seed).colours


@pytest.mark.parametrize("seed", range(8))
def test_without_an_instruction_the_scene_decides(seed):
    text, chosen = choose(CUBES, None, seed)
    assert chosen == seed
    assert text.split(" cube")[0].split()[-1] in CUBES.scene(seed).colours


def test_a_cube_that_the_scene_lacks_is_refused():
    (absent,) = {"red", "green", "blue", "yellow"} - set(CUBES.scene(0).colours)
    with pytest.raises(WallOSSError, match=f"Scene 0 has no {absent} cube"):
        choose(CUBES, f"pick up the {absent} cube", 0)


def tray(raised=0.12, tilt=0.02, hands=("right", "left"), colour="red"):
    pose = {"position": [0.3, 0.0, 0.1], "quaternion": [0.0, 0.0, 0.0, 1.0]}
    other = {**pose, "raised": 0.0, "tilt": 0.0, "hands": []}
    return {
        "time": 1.0,
        "wide_trays": {"blue": other, colour: {**pose, "raised": raised, "tilt": tilt, "hands": list(hands)}},
    }


@pytest.mark.parametrize(
    "instruction, state, expected",
    [
        ("lift the red tray", tray(), True),
        ("lift the red tray", tray(raised=0.09), False),
        ("lift the red tray", tray(tilt=0.2), False),
        ("lift the red tray", tray(hands=("left",)), False),
        ("lift the red tray", tray(colour="green"), False),
        ("lift the blue tray", tray(), False),
        ("pick up the red cube", tray(), False),
    ],
)
def test_a_tray_is_lifted_high_level_and_by_both_hands(instruction, state, expected):
    assert (Judge(TRAYS, instruction).held_for(state) > 0) is expected


def test_a_tray_is_put_down_only_after_it_was_lifted():
    judge = Judge(TRAYS, "lift the red tray, then put it down")
    down, tipped = tray(raised=0.0, tilt=0.0, hands=()), tray(raised=0.0, tilt=0.2, hands=())
    assert [judge.held_for(one) > 0 for one in (down, tray(hands=()), tray(), tray(), tipped, down)] == [
        *[False] * 5,
        True,
    ]


def test_description_says_how_the_tray_is():
    judge = Judge(TRAYS, "lift the red tray")
    assert judge.describe(tray()) == "the red tray is 12 cm above the table, level, in both hands"
    assert judge.describe(tray(tilt=0.3, hands=["left"])) == (
        "the red tray is 12 cm above the table, tilted by 17 degrees, in the left hand"
    )
    assert judge.describe(tray(raised=0.0, hands=[])) == "the red tray stands on the table, in no hand"
    assert judge.describe(tray(colour="green")) == "there is no red tray"


def test_instruction_and_scene_of_the_tray_task_fit():
    text, seed = choose(TRAYS, "lift the yellow tray", None)
    assert text == "lift the yellow tray" and "yellow" in TRAYS.scene(seed).colours
    text, _ = choose(TRAYS, None, 3)
    assert text.split()[2] in TRAYS.scene(3).colours
    with pytest.raises(WallOSSError, match="no task"):
        choose(TRAYS, "put the red cube in the left tray", None)
    assert TRAYS.scene(3, "blue,red").colours == ("blue", "red")
    with pytest.raises(WallOSSError, match="Name 2 different"):
        TRAYS.scene(3, "red,green,blue")
