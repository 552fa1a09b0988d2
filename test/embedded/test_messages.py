# SPDX-License-Identifier: Apache-2.0
"""Message classes keep the rules of those that rosidl generates, and survive the wire."""

import copy
import pickle
from array import array

import numpy as np
import pytest

from wall_oss_ros.embedded import wire
from wall_oss_ros.embedded.interfaces import (
    get_interface,
    get_message,
    names_in,
    register_action,
    register_message,
    register_service,
)
from wall_oss_ros.errors import WallOSSError

String = get_message("std_msgs/msg/String")
Image = get_message("sensor_msgs/msg/Image")
JointState = get_message("sensor_msgs/msg/JointState")


def test_defaults_are_those_of_the_definition():
    assert get_message("geometry_msgs/msg/Quaternion")().w == 1.0
    image = Image()
    assert (image.height, image.encoding, image.header.frame_id) == (0, "", "")
    assert image.data == array("B")


def test_constructor_takes_keywords_and_refuses_unknown_ones():
    assert String(data="hi").data == "hi"
    with pytest.raises(AssertionError, match="text"):
        String(text="hi")
    with pytest.raises(AttributeError):
        String().text = "hi"


@pytest.mark.parametrize(
    "name, field, value",
    [
        ("std_msgs/msg/Float64", "data", 1),
        ("std_msgs/msg/Int32", "data", 1.0),
        ("std_msgs/msg/Int32", "data", 2**31),
        ("std_msgs/msg/UInt8", "data", -1),
        ("std_msgs/msg/String", "data", b"hi"),
        ("std_msgs/msg/Bool", "data", 1),
        ("diagnostic_msgs/msg/DiagnosticStatus", "level", 1),
        ("sensor_msgs/msg/JointState", "position", [1]),
        ("sensor_msgs/msg/JointState", "position", np.zeros(2)),
        ("sensor_msgs/msg/JointState", "position", array("f", [1.0])),
        ("sensor_msgs/msg/JointState", "name", "joint"),
        ("sensor_msgs/msg/JointState", "header", String()),
        ("unique_identifier_msgs/msg/UUID", "uuid", [0] * 15),
    ],
)
def test_values_of_the_wrong_type_are_refused_as_in_rclpy(name, field, value):
    message = get_message(name)()
    with pytest.raises(AssertionError, match=field):
        setattr(message, field, value)


@pytest.mark.parametrize(
    "name, ros_type, value",
    [
        ("JointGroupCommand", "sequence<float>", [0.5, -0.25]),
        ("JointSingleCommand", "float", 0.5),
    ],
)
def test_what_interbotix_drivers_take_is_known(name, ros_type, value):
    kind = get_message(f"interbotix_xs_msgs/msg/{name}")
    assert kind.get_fields_and_field_types() == {"name": "string", "cmd": ros_type}
    sent = kind(name="arm", cmd=value)
    assert wire.deserialize(wire.serialize(sent), kind) == sent


def test_number_sequences_are_arrays_and_take_lists_bytes_and_arrays():
    state = JointState(position=[1.0, 2.0])
    assert isinstance(state.position, array) and state.position.typecode == "d"
    state.position.append(3.0)
    state.velocity = array("d", [4.0])
    image = Image(data=b"\x01\x02")
    assert image.data.tolist() == [1, 2]
    back = wire.deserialize(wire.serialize(state), JointState)
    assert back.position.tolist() == [1.0, 2.0, 3.0] and back.velocity.tolist() == [4.0]


def test_fixed_arrays_are_ndarrays_of_their_own():
    first, second = get_message("unique_identifier_msgs/msg/UUID")(), get_message("unique_identifier_msgs/msg/UUID")()
    assert first.uuid.dtype == np.uint8 and first.uuid.shape == (16,)
    first.uuid[0] = 1
    assert second.uuid[0] == 0


def test_byte_is_bytes_of_length_one_and_goes_over_the_wire():
    Status = get_message("diagnostic_msgs/msg/DiagnosticStatus")
    assert (Status.OK, Status.WARN) == (b"\x00", b"\x01")
    back = wire.deserialize(wire.serialize(Status(level=Status.ERROR, name="arm")), Status)
    assert back.level == b"\x02" and back.name == "arm" and bytes(back.level) == b"\x02"
    Bytes = get_message("std_msgs/msg/ByteMultiArray")
    back = wire.deserialize(wire.serialize(Bytes(data=[b"\x00", b"\xff"])), Bytes)
    assert back.data == [b"\x00", b"\xff"]


def test_fields_and_types_read_like_rclpys():
    assert JointState.get_fields_and_field_types() == {
        "header": "std_msgs/Header",
        "name": "sequence<string>",
        "position": "sequence<double>",
        "velocity": "sequence<double>",
        "effort": "sequence<double>",
    }


@pytest.mark.parametrize(
    "package",
    "std_msgs sensor_msgs geometry_msgs control_msgs wall_oss_msgs rcl_interfaces lifecycle_msgs visualization_msgs "
    "trajectory_msgs diagnostic_msgs".split(),
)
def test_every_message_of_a_package_survives_the_wire(package):
    for name in names_in(package, "msg"):
        message = get_interface(package, "msg", name)()
        assert wire.deserialize(wire.serialize(message), type(message)) == message


def test_bytes_are_little_endian_cdr():
    assert wire.serialize(String(data="hi")) == b"\x00\x01\x00\x00" + b"\x03\x00\x00\x00hi\x00" + b"\x00"
    assert wire.serialize(get_message("std_msgs/msg/Empty")()) == b"\x00\x01\x00\x00" + b"\x00" * 4


def test_what_is_not_a_message_is_refused_when_decoding():
    with pytest.raises(ValueError, match="String"):
        wire.deserialize(b"\x00\x01\x00\x00\xff\xff\xff\xff", String)
    with pytest.raises(ValueError, match="little-endian"):
        wire.deserialize(b"\x00\x00\x00\x00\x00\x00\x00\x01\x00", String)


def test_copies_and_pickles_are_equal_and_independent():
    state = JointState(name=["a"], position=[1.0])
    for other in (copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert other == state and wire.serialize(other) == wire.serialize(state)
        other.position[0] = 2.0
        other.name.append("b")
        assert state.position[0] == 1.0 and state.name == ["a"]


def test_type_hashes_are_those_of_ros_2():
    # As `ros2 topic info -v` and the JSON files of a Jazzy installation give them.
    assert wire.type_hash(String) == "RIHS01_df668c740482bbd48fb39d76a70dfd4bd59db1288021743503259e948f6b1a18"
    feedback = get_interface("control_msgs", "action", "GripperCommand_FeedbackMessage")
    assert wire.type_hash(feedback) == "RIHS01_392ff03fcd872f9dc2405cbeb2897fcf011ad9998458b6aa85c603b8a49e431d"
    observation = get_message("wall_oss_msgs/msg/Observation")
    assert wire.type_hash(observation).startswith("RIHS01_")


def test_interfaces_can_be_registered_from_text():
    register_message("mine_msgs", "Reading", "float64 value 2.5\nstring<=4 unit\nint32[<=2] codes\nuint8 A=3")
    register_service("mine_msgs", "Look", "mine_msgs/Reading old\n---\nbool ok")
    register_action("mine_msgs", "Go", "float64 to\n---\nbool there\n---\nfloat64 left")
    Reading = get_message("mine_msgs/msg/Reading")
    assert Reading().value == 2.5 and Reading.A == 3
    with pytest.raises(AssertionError, match="unit"):
        Reading(unit="metre")
    with pytest.raises(AssertionError, match="codes"):
        Reading(codes=[1, 2, 3])
    look, go = get_interface("mine_msgs", "srv", "Look"), get_interface("mine_msgs", "action", "Go")
    assert look.Request(old=Reading()).old.value == 2.5
    assert go.Impl.SendGoalService.Request(goal=go.Goal(to=1.0)).goal.to == 1.0


def test_unknown_and_malformed_definitions_are_named():
    with pytest.raises(LookupError, match="String"):
        get_message("std_msgs/msg/Strin")
    with pytest.raises(WallOSSError, match="mine_msgs/msg/Bad"):
        register_message("mine_msgs", "Bad", "float64")
    with pytest.raises(WallOSSError, match="sections"):
        register_service("mine_msgs", "Bad", "float64 a")
