"""The verdict on a run, and the choice of a scene that fits an instruction."""

import pytest

from wall_oss_ros.commands.scenes import choose, scene
from wall_oss_ros.commands.verdict import Judge
from wall_oss_ros.errors import WallOSSError


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
    assert (Judge(instruction).held_for(truth(z=z, **places)) > 0) is expected


def test_all_goals_of_an_instruction_must_hold():
    judge = Judge("put the red cube in the left tray and put the blue cube in the right tray")
    assert judge.held_for(truth(red="left tray", blue="table")) == 0
    assert judge.held_for(truth(red="left tray", blue="right tray")) > 0


def test_time_counts_from_the_last_break():
    judge = Judge("put the red cube in the left tray")
    judge.held_for(truth(1.0, red="left tray"))
    assert judge.held_for(truth(3.0, red="left tray")) == pytest.approx(2.0)
    assert judge.held_for(truth(4.0, red="gripper")) == 0
    judge.held_for(truth(5.0, red="left tray"))
    assert judge.held_for(truth(5.5, red="left tray")) == pytest.approx(0.5)


def test_description_says_where_the_cubes_are():
    judge = Judge("put the red cube in the left tray and pick up the blue cube")
    assert judge.describe(truth(z=0.2, red="table", blue="gripper")) == (
        "the red cube is on the table; the blue cube is in the gripper, 20 cm above the table"
    )


@pytest.mark.parametrize("instruction", ["put the yellow cube in the right tray", "pick up the green cube"])
def test_without_a_seed_the_scene_has_what_is_named(instruction):
    text, seed = choose(instruction, None)
    assert text == instruction
    assert instruction.split(" cube")[0].split()[-1] in scene(seed).colours


@pytest.mark.parametrize("seed", range(8))
def test_without_an_instruction_the_scene_decides(seed):
    text, chosen = choose(None, seed)
    assert chosen == seed
    assert text.split(" cube")[0].split()[-1] in scene(seed).colours


def test_a_cube_that_the_scene_lacks_is_refused():
    (absent,) = {"red", "green", "blue", "yellow"} - set(scene(0).colours)
    with pytest.raises(WallOSSError, match=f"Scene 0 has no {absent} cube"):
        choose(f"pick up the {absent} cube", 0)
