# SPDX-License-Identifier: Apache-2.0
"""What is launched: names, parameters and arguments, as rclpy reads them."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from wall_oss_ros.bringup.system import NodeSpec, system
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.checkpoints import model_directory, robots_of, shipped_model
from wall_oss_ros.robots.profile import load_profile


@pytest.fixture
def checkpoint(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def by_name(specs):
    return {spec.name: spec for spec in specs}


def test_simulation_takes_its_time_from_the_simulator(checkpoint):
    nodes = by_name(system(model=checkpoint, seed=5))
    assert set(nodes) == {"simulated_robot", "perception", "model", "control", "plan_markers"}
    assert nodes["simulated_robot"].parameters["seed"] == 5
    assert "use_sim_time" not in nodes["simulated_robot"].parameters
    assert all(spec.parameters["use_sim_time"] for name, spec in nodes.items() if name != "simulated_robot")


def test_a_real_robot_brings_its_own_driver(checkpoint):
    nodes = by_name(system(model=checkpoint, sim=False))
    assert "simulated_robot" not in nodes
    assert not nodes["control"].parameters["use_sim_time"]


def test_the_models_side_is_one_process_or_two_or_elsewhere(checkpoint):
    together, apart = by_name(system(model=checkpoint)), by_name(system(model=checkpoint, model_side="apart"))
    assert together["model"].nodes == ("planner", "action_expert")
    assert "__node" not in " ".join(together["model"].arguments()), "it would give both nodes one name"
    assert "__node:=planner" in apart["planner"].arguments() and "model" not in apart
    for spec in (together["model"], apart["planner"], apart["action_expert"]):
        assert spec.parameters["model"] == str(checkpoint.resolve())
    elsewhere = by_name(system(model="/not/on/this/machine", sim=False, model_side="elsewhere"))
    assert set(elsewhere) == {"perception", "control", "plan_markers"}
    assert not any("model" in spec.parameters for spec in elsewhere.values())


def test_parameters_of_nodes_that_share_a_process_reach_it(checkpoint):
    given = {"planner": {"replans": 1}, "action_expert": {"denoising_steps": 3}}
    model = by_name(system(model=checkpoint, parameters=given))["model"]
    assert (model.parameters["replans"], model.parameters["denoising_steps"]) == (1, 3)


def test_a_stop_of_one_simulation_is_not_the_next_ones(checkpoint, tmp_path):
    simulated, real = by_name(system(model=checkpoint, state=tmp_path)), by_name(system(model=checkpoint, sim=False))
    assert simulated["control"].parameters["stop_record"] == str(tmp_path / "stop.json")
    assert "stop_record" not in real["control"].parameters, "the user's own, which lasts"


def test_given_parameters_win(checkpoint):
    nodes = by_name(system(model=checkpoint, parameters={"control": {"replan_every": 3}}))
    assert nodes["control"].parameters["replan_every"] == 3
    with pytest.raises(WallOSSError, match="There is no node contrl"):
        system(model=checkpoint, parameters={"contrl": {}})


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Makes checkpoints that ship, of which only what they say of themselves counts."""
    monkeypatch.setattr("wall_oss_ros.policy.checkpoints.data_path", lambda _: tmp_path)

    def make(name, views, robots):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"views": views}))
        head = "action_preprocessor.normalizer_action"
        tensors = {f"{head}.{part}.{robot}": np.zeros(20, np.float32) for robot in robots for part in ("min", "delta")}
        save_file({"weight": np.zeros(2, np.float32), **tensors}, tmp_path / name / "model.safetensors")

    make("wall-oss-tiny", ["face_view", "right_wrist_view"], ["franka"])
    make("another", ["face_view", "left_wrist_view", "right_wrist_view"], ["dual_arm"])
    return make


def test_the_checkpoint_that_ships_is_the_one_for_the_robot(models, tmp_path):
    franka, ur, both = (load_profile(name) for name in ("franka", "ur", "dual_arm"))
    assert [shipped_model(profile) for profile in (franka, ur, both)] == ["wall-oss-tiny", "wall-oss-tiny", "another"]
    third = both.model_copy(update={"name": "third"})
    assert shipped_model(third) == "another", "its views tell"
    assert shipped_model(third.model_copy(update={"views": both.views[:1]})) == "wall-oss-tiny", "nothing tells"
    named = both.model_copy(update={"statistics": "mobile_aloha"})
    with pytest.raises(WallOSSError, match="No checkpoint ships for mobile_aloha"):
        shipped_model(named)
    models("yours", ["face_view"], ["ur", "third", "mobile_aloha"])
    assert shipped_model(named) == "yours"
    assert [shipped_model(ur), shipped_model(third), shipped_model(franka)] == ["yours", "yours", "wall-oss-tiny"]
    for broken in (b"", b"\xff" * 8, b"\x02" + bytes(7) + b"{"):
        (tmp_path / "yours" / "model.safetensors").write_bytes(broken)
        assert robots_of(tmp_path / "yours") == set() and shipped_model(ur) == "wall-oss-tiny"


def test_a_misspelt_checkpoint_is_named():
    with pytest.raises(WallOSSError, match="There is no checkpoint nonsense"):
        model_directory("nonsense")


def test_names_on_the_hub_are_fetched(checkpoint, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda name, **_: {"someone/model": str(checkpoint)}[name])
    assert model_directory("someone/model") == checkpoint.resolve()
    with pytest.raises(WallOSSError, match="someone/else is neither a folder nor on the Hugging Face hub within reach"):
        model_directory("someone/else")
    for path in ("./someone/model", "../model", "/someone/model", "a/b/c"):
        with pytest.raises(WallOSSError, match="There is no checkpoint"):
            model_directory(path)


def test_arguments_are_rclpys_own(tmp_path):
    spec = NodeSpec(
        "control",
        "module",
        "control",
        {"robot": "a b: c", "on": True, "rate": 2.0},
        (tmp_path / "p.yaml",),
        (("a", "b"),),
    )
    words = spec.arguments()
    assert words[0] == "--ros-args"
    assert "__node:=control" in words and "__ns:=/wall_oss" in words and "a:=b" in words
    assert words[words.index("--params-file") + 1].endswith("p.yaml")
    assert 'robot:="a b: c"' in words and "on:=true" in words and "rate:=2.0" in words


def test_arguments_are_understood_by_the_client_library(checkpoint):
    import wall_oss_ros.nodes  # noqa: F401

    import rclpy
    from rclpy.context import Context
    from rclpy.node import Node

    context = Context()
    rclpy.init(args=by_name(system(model=checkpoint, seed=9))["simulated_robot"].arguments(), context=context)
    try:
        node = Node("other", context=context, automatically_declare_parameters_from_overrides=True)
        assert node.get_fully_qualified_name() == "/simulated_robot"
        assert node.get_parameter("seed").value == 9
        assert node.get_parameter("real_time_factor").value == 1.0  # from config/nodes.yaml
        node.destroy_node()
    finally:
        rclpy.shutdown(context=context)
