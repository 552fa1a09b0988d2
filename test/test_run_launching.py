"""What is launched: names, parameters and arguments, as rclpy reads them."""

import pytest

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.launching import NodeSpec, model_directory, system


@pytest.fixture
def checkpoint(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).touch()
    return tmp_path


def by_name(specs):
    return {spec.name: spec for spec in specs}


def test_simulation_takes_its_time_from_the_simulator(checkpoint):
    nodes = by_name(system(model=checkpoint, seed=5))
    assert set(nodes) == {"simulated_robot", "perception", "planner", "control", "plan_markers"}
    assert nodes["simulated_robot"].parameters["seed"] == 5
    assert "use_sim_time" not in nodes["simulated_robot"].parameters
    assert all(spec.parameters["use_sim_time"] for name, spec in nodes.items() if name != "simulated_robot")


def test_a_real_robot_brings_its_own_driver(checkpoint):
    nodes = by_name(system(model=checkpoint, sim=False))
    assert "simulated_robot" not in nodes
    assert not nodes["control"].parameters["use_sim_time"]


def test_planner_and_control_load_the_same_checkpoint(checkpoint):
    nodes = by_name(system(model=checkpoint))
    assert nodes["planner"].parameters["model"] == nodes["control"].parameters["model"] == str(checkpoint.resolve())


def test_given_parameters_win(checkpoint):
    nodes = by_name(system(model=checkpoint, parameters={"control": {"replan_every": 3}}))
    assert nodes["control"].parameters["replan_every"] == 3
    with pytest.raises(WallOSSError, match="There is no node contrl"):
        system(model=checkpoint, parameters={"contrl": {}})


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
        "control", "module", "control", {"robot": "a b: c", "on": True, "rate": 2.0}, (tmp_path / "p.yaml",), (("a", "b"),)
    )
    words = spec.arguments()
    assert words[0] == "--ros-args"
    assert "__node:=control" in words and "__ns:=/wall_oss" in words and "a:=b" in words
    assert words[words.index("--params-file") + 1].endswith("p.yaml")
    assert 'robot:="a b: c"' in words and "on:=true" in words and "rate:=2.0" in words


def test_arguments_are_understood_by_the_client_library(checkpoint):
    import wall_oss_ros.nodes  # noqa: F401
    import rclpy  # isort: skip
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
