# SPDX-License-Identifier: Apache-2.0
"""Parameters: declaration, types, ranges, callbacks, files, and the services behind ros2 param."""

import contextlib
import math

import pytest
from embedded_support import PATIENCE, context, executor, make_node, result_of  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

from wall_oss_ros.embedded.arguments import parse
from wall_oss_ros.embedded.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    ParameterAlreadyDeclaredException,
    ParameterNotDeclaredException,
    ParameterUninitializedException,
)
from wall_oss_ros.embedded.interfaces import get_interface, get_message
from wall_oss_ros.embedded.node import Node
from wall_oss_ros.embedded.parameter import Parameter
from wall_oss_ros.embedded.parameter_values import load_parameter_file, value_from_text
from wall_oss_ros.errors import WallOSSError

Descriptor = get_message("rcl_interfaces/msg/ParameterDescriptor")
FloatRange = get_message("rcl_interfaces/msg/FloatingPointRange")
IntegerRange = get_message("rcl_interfaces/msg/IntegerRange")
Result = get_message("rcl_interfaces/msg/SetParametersResult")


def refused(results) -> str:
    assert not results[0].successful
    return results[0].reason


def test_declare_get_set(make_node):
    node = make_node("node")
    assert node.declare_parameter("rate", 10.0).value == 10.0
    assert node.get_parameter("rate").type_ is Parameter.Type.DOUBLE
    assert node.set_parameters([Parameter("rate", value=5.0)])[0].successful
    assert node.get_parameter("rate").value == 5.0
    with pytest.raises(ParameterAlreadyDeclaredException):
        node.declare_parameter("rate", 1.0)
    with pytest.raises(ParameterNotDeclaredException):
        node.get_parameter("speed")
    with pytest.raises(ParameterNotDeclaredException):
        node.set_parameters([Parameter("speed", value=1.0)])


def test_a_type_is_kept_unless_typing_is_dynamic(make_node):
    node = make_node("node")
    node.declare_parameter("rate", 10.0)
    assert "DOUBLE" in refused(node.set_parameters([Parameter("rate", value=5)]))
    node.declare_parameter("any", 1, Descriptor(dynamic_typing=True))
    assert node.set_parameters([Parameter("any", value="text")])[0].successful


def test_a_parameter_declared_by_type_must_be_given(make_node):
    node = make_node("node")
    node.declare_parameter("model", Parameter.Type.STRING)
    with pytest.raises(ParameterUninitializedException):
        node.get_parameter("model")
    node.set_parameters([Parameter("model", value="a")])
    assert node.get_parameter("model").value == "a"


def test_ranges_and_read_only_are_enforced(make_node):
    node = make_node("node")
    limits = FloatRange(from_value=0.0, to_value=1.0, step=0.25)
    node.declare_parameter("gain", 0.5, Descriptor(floating_point_range=[limits]))
    for value, fits in ((1.0, True), (0.75, True), (0.3, False), (1.1, False)):
        assert node.set_parameters([Parameter("gain", value=value)])[0].successful is fits
    node.declare_parameter("count", 3, Descriptor(integer_range=[IntegerRange(from_value=1, to_value=9)]))
    assert "out of range" in refused(node.set_parameters([Parameter("count", value=10)]))
    node.declare_parameter("robot", "fr3", Descriptor(read_only=True))
    assert "read-only" in refused(node.set_parameters([Parameter("robot", value="ur")]))
    with pytest.raises(InvalidParameterValueException, match="range"):
        node.declare_parameter("bad", 11, Descriptor(integer_range=[IntegerRange(from_value=1, to_value=9)]))
    assert not node.has_parameter("bad")


def test_callbacks_may_change_refuse_and_follow(make_node):
    node, seen = make_node("node"), []
    node.declare_parameter("a", 1)
    node.add_pre_set_parameters_callback(lambda parameters: [Parameter(p.name, value=p.value + 1) for p in parameters])
    node.add_on_set_parameters_callback(
        lambda parameters: Result(successful=all(p.value < 10 for p in parameters), reason="too big")
    )
    node.add_post_set_parameters_callback(lambda parameters: seen.extend(p.value for p in parameters))
    assert node.set_parameters([Parameter("a", value=2)])[0].successful
    assert refused(node.set_parameters([Parameter("a", value=9)])) == "too big"
    assert node.get_parameter("a").value == 3 and seen == [3]


def test_setting_atomically_is_all_or_nothing(make_node):
    node = make_node("node")
    node.declare_parameters("arm", [("a", 1), ("b", 2.0), ("c",)])
    result = node.set_parameters_atomically([Parameter("arm.a", value=5), Parameter("arm.b", value="no")])
    assert not result.successful and node.get_parameter("arm.a").value == 1
    assert {name: p.value for name, p in node.get_parameters_by_prefix("arm").items()} == {"a": 1, "b": 2.0, "c": None}


def test_values_come_from_the_command_line_and_files(context, tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    rate: 1.0\n    camera: {name: face, sizes: [1, 2]}\n"
        "/**/eye:\n  ros__parameters: {rate: 2.0}\n"
        "/other:\n  ros__parameters: {rate: 9.0}\n"
        "robot:\n  eye:\n    ros__parameters: {depth: 4}\n"
    )
    words = f"x --ros-args --params-file {path} -p use_it:=true -p name:='007' -p other:name:=no"
    words += " -p eye:depth:=5 -r __ns:=/robot --"  # as with rcl, a name without namespace means /eye alone
    context.arguments = parse(words.split() + ["kept"])
    assert context.arguments.rest == ["x", "kept"]
    node = Node("eye", context=context)
    values = {"rate": 0.0, "camera.name": "", "camera.sizes": [0], "use_it": False, "name": "", "depth": 0}
    node.declare_parameters("", list(values.items()))
    assert {name: node.get_parameter(name).value for name in values} == {
        "rate": 2.0, "camera.name": "face", "camera.sizes": [1, 2], "use_it": True, "name": "007", "depth": 4,
    }  # fmt: skip


def test_a_value_from_outside_of_the_wrong_type_is_refused_at_declaration(context):
    context.arguments = parse("x --ros-args -p rate:=fast".split())
    with pytest.raises(InvalidParameterTypeException, match="DOUBLE"):
        Node("eye", context=context).declare_parameter("rate", 1.0)


@pytest.mark.parametrize(
    "words, complaint",
    [
        ("-p rate", "name:=value"),
        ("-p rate:=[1,a]", "rate"),
        ("-p rate:=[", "YAML"),
        ("-p rate:=", "no value"),
        ("-p rate:={a:1}", "neither a bool"),
        ("-p ra-te:=1", "no parameter"),
        ("-r __node:=bad-name", "bad-name"),
        ("-r __ns:=relative", "relative"),
        ("-r image:=a//b", "a//b"),
        ("-r 1mage:=a", "1mage"),
        ("-r from", "name:=value"),
        ("--params-file /nowhere.yaml", "cannot be read"),
        ("--params-file", "lacks its value"),
        ("--log-level loud", "loud"),
        ("--unknown", "--unknown"),
    ],
)
def test_bad_arguments_are_one_clear_line(words, complaint):
    with pytest.raises(WallOSSError, match=complaint) as caught:
        parse(["x", "--ros-args", *words.split()])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("- a", "line 1: no nodes"),
        ("node: 3", "line 1: /node is no node with ros__parameters"),
        ("/wall_oss/perception:\n  robot: ur", "line 2: /wall_oss/perception/robot is no node with ros__parameters"),
        ("ros__parameters: {a: 1}", "below a node's name"),
        ("node: {ros__parameters: {a: [1, [2]]}}", "parameter a is neither"),
        ("node:\n  ros__parameters:\n    a: [1, true]", "line 3: parameter a is a list of different types"),
        ("node:\n  ros__parameters:\n    a:\n    b: 1", "line 3: parameter a has no value"),
        ("node:\n  ros__parameters:\n", "below ros__parameters"),
        ("node:\n  ros__parameters:\n\t  a: 1", "line 3 has a tab"),
        (
            "node:\n  ros__parameters:\n    speed: 0.2\n    speed: 6.0",
            "line 4: the key 'speed' is there already",
        ),
        ("a: [", "line 2"),
        ("", "has no nodes"),
        ("[" * 100_000, "more than 64 values"),
        ("&a [*a]", "contains itself"),
    ],
)
def test_bad_parameter_files_are_named(tmp_path, text, complaint):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(WallOSSError, match=complaint) as caught:
        load_parameter_file(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_values_are_what_rcl_makes_of_them():
    """Each as rclpy of Jazzy had it."""
    texts = {
        "1e-3": 0.001, "1e5": 1e5, "1.": 1.0, ".5": 0.5, "08": 8.0, "0x1p3": 8.0, "inf": math.inf, "-.INF": -math.inf,
        "99999999999999999999": 1e20, "[1e-3]": [0.001],
        "+3": 3, "0x1F": 31, "-0x1F": -31, "010": 8, "-0": 0, "5 # c": 5, "|-\n  5": 5,
        "yes": True, "on": True, "y": True, "TRUE": True, "off": False, "[yes, no]": [True, False],
        "12:30": "12:30", "1_000": "1_000", "0o10": "0o10", "0b11": "0b11", "~": "~", "null": "null", "tRue": "tRue",
        "2024-01-01": "2024-01-01", "1e400": "1e400", "1e-400": "1e-400", "'1'": "1", '""': "", "!!str 5": "5",
        "[null]": ["null"], "[a, '1']": ["a", "1"], "1 2": "1 2",
    }  # fmt: skip
    made = {text: value_from_text("a", text) for text in texts}
    assert made == texts
    assert {text: type(value) for text, value in made.items()} == {text: type(v) for text, v in texts.items()}
    assert math.isnan(value_from_text("a", ".nan")) and math.isnan(value_from_text("a", "nan"))


@given(st.text(max_size=12) | st.from_regex(r"[-+]?[0-9._eExXpPabf]{1,8}", fullmatch=True))
def test_a_value_is_read_or_refused(text):
    with contextlib.suppress(WallOSSError):
        assert isinstance(value_from_text("a", text), (bool, int, float, str, list))


def test_parameter_services_and_events(make_node, executor):
    node, other, events = make_node("node"), make_node("other"), []
    node.declare_parameter("rate", 10.0, Descriptor(description="Hz"))
    event = get_message("rcl_interfaces/msg/ParameterEvent")
    other.create_subscription(event, "/parameter_events", events.append, 10)

    def call(name, **fields):
        service = get_interface("rcl_interfaces", "srv", name)
        snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name).strip("_")
        client = other.create_client(service, f"/node/{snake}")
        assert client.wait_for_service(PATIENCE)
        return result_of(executor, client.call_async(service.Request(**fields)))

    assert set(call("ListParameters").result.names) == {"rate", "use_sim_time"}
    assert call("GetParameters", names=["rate"]).values[0].double_value == 10.0
    assert call("GetParameters", names=["rate", "nothing"]).values == []
    assert call("GetParameterTypes", names=["rate"]).types.tolist() == [3]
    assert call("DescribeParameters", names=["rate"]).descriptors[0].description == "Hz"
    results = call(
        "SetParameters",
        parameters=[Parameter(name, value=value).to_parameter_msg() for name, value in (("rate", 4.0), ("x", 1))],
    ).results
    assert [result.successful for result in results] == [True, False]
    assert node.get_parameter("rate").value == 4.0
    atomically = call("SetParametersAtomically", parameters=[Parameter("rate", value="no").to_parameter_msg()])
    assert not atomically.result.successful
    assert any(p.name == "rate" for event in events for p in event.changed_parameters)
