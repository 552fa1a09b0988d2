# SPDX-License-Identifier: Apache-2.0
"""The views that the model takes: by what its action expert says, and refused where it is for another robot."""

import pytest

from wall_oss_ros.perception.model_views import Model, ModelViews


def views(*said: Model, now: float = 0.0) -> ModelViews:
    made = ModelViews("ur:ur10e@1", ["face", "wrist"])
    for model in said:
        made.hear(model, now)
    return made


def model(expert: str = "a", robot: str = "ur:ur10e@1", names: tuple[str, ...] = ("wrist", "face"), size: int = 112):
    return Model(expert, "tiny", robot, names, size)


def test_all_views_until_the_model_is_known():
    assert not views().known and views().names == ("face", "wrist") and not views().fault


def test_names_order_and_size_are_the_models():
    known = views(model())
    assert known.known and known.names == ("wrist", "face") and known.size == 112 and not known.fault
    assert views(model(names=())).names == ("face", "wrist")
    assert views(model(names=("wrist",))).names == ("wrist",)


def test_another_checkpoint_replaces_the_first():
    known = views(model())
    known.hear(model(size=224), 1.0)
    assert known.size == 224 and not known.fault
    known.hear(model("b", size=56), 10.0)
    assert known.size == 56 and not known.fault, "the first has been silent"


@pytest.mark.parametrize(
    "said, expected",
    [
        (model(robot="ur:ur5e@2"), "loaded for robot ur:ur5e@2, this is ur:ur10e@1"),
        (model(names=("face", "left")), "takes the view left"),
        (model(names=("face", "face")), "each once"),
        (model(size=100000), "100000 pixels"),
    ],
)
def test_what_does_not_fit_is_named(said, expected):
    assert expected in views(said).fault
    assert expected in views(model("b"), said).fault, "also beside one that fits"


def test_two_experts_that_take_different_views():
    assert "two action experts" in views(model("a", size=112), model("b", size=224)).fault
    assert not views(model("a"), model("b")).fault, "alike, they do not matter here"
