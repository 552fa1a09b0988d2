# SPDX-License-Identifier: Apache-2.0
"""Parts of ROS 2's Python packages by public names alone: on a ROS 2 host, these are tests of its own packages."""

import pytest
import tf2_geometry_msgs  # noqa: F401
from domains import own_domain
from embedded_support import PATIENCE, spin_until

import wall_oss_ros.embedded.auto  # noqa: F401

import rclpy
import tf2_ros
from geometry_msgs.msg import PointStamped, PoseStamped, PoseWithCovarianceStamped, TransformStamped, Vector3Stamped
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor, ParameterType, ParameterValue
from rclpy.clock import ClockChange, JumpThreshold, ROSClock
from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterValueException, ParameterImmutableException, ParameterNotDeclaredException
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.parameter_event_handler import ParameterEventHandler
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import InvalidQosOverridesError, QoSOverridingOptions
from rclpy.time import Time
from std_msgs.msg import String

pytestmark = pytest.mark.slow


def answer(executor, future):
    assert spin_until(executor, future.done)
    return future.result()


def test_another_node_s_parameters(spun_node, tmp_path):
    node, executor = spun_node
    node.declare_parameter("speed", 1.5)
    node.declare_parameter("name", "x", ParameterDescriptor(description="told"))
    client, heard, names = AsyncParameterClient(node, "spun"), [], []
    handler = ParameterEventHandler(node)
    handle = handler.add_parameter_callback(
        "speed", "spun", lambda parameter: heard.append(parameter.value.double_value)
    )
    handler.add_parameter_event_callback(lambda event: names.append(event.node))
    assert spin_until(executor, client.services_are_ready) and client.wait_for_services(PATIENCE)
    assert spin_until(executor, lambda: node.count_subscribers("/parameter_events"))
    values = answer(executor, client.get_parameters(["speed", "name"])).values
    assert (values[0].double_value, values[1].string_value) == (1.5, "x")
    assert answer(executor, client.describe_parameters(["name"])).descriptors[0].description == "told"
    assert list(answer(executor, client.get_parameter_types(["speed"])).types) == [ParameterType.PARAMETER_DOUBLE]
    assert {"speed", "name"} <= set(answer(executor, client.list_parameters()).result.names)
    results = answer(
        executor, client.set_parameters([Parameter("speed", value=2.5), Parameter("name", value=3)])
    ).results
    assert [result.successful for result in results] == [True, False]
    assert spin_until(executor, lambda: heard == [2.5] and "/spun" in names)
    handler.remove_parameter_callback(handle)
    with pytest.raises(RuntimeError):
        handler.remove_parameter_callback(handle)
    (tmp_path / "values.yaml").write_text("spun: {ros__parameters: {speed: 4.5, name: file}}")
    assert answer(executor, client.load_parameter_file_atomically(str(tmp_path / "values.yaml"))).result.successful
    assert (node.get_parameter("speed").value, node.get_parameter("name").value, heard) == (4.5, "file", [2.5])


def test_a_new_descriptor_wants_a_value_that_complies(spun_node):
    node, _ = spun_node
    node.declare_parameter("count", 5)

    def within(low, high, **options):
        limits = [IntegerRange(from_value=low, to_value=high, step=1)]
        return ParameterDescriptor(type=ParameterType.PARAMETER_INTEGER, integer_range=limits, **options)

    assert node.set_descriptor("count", within(0, 9)).integer_value == 5
    eight = ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=8)
    assert node.set_descriptor("count", within(7, 9), eight).integer_value == 8
    with pytest.raises(InvalidParameterValueException):
        node.set_descriptor("count", within(17, 19))
    with pytest.raises(InvalidParameterValueException):
        node.set_descriptor("count", ParameterDescriptor())  # lacks the type
    assert not node.set_parameters([Parameter("count", value=3)])[0].successful
    node.set_descriptor("count", within(7, 9, read_only=True))
    with pytest.raises(ParameterImmutableException):
        node.set_descriptor("count", within(0, 9))
    with pytest.raises(ParameterNotDeclaredException):
        node.set_descriptor("other", within(0, 9))


def test_parameters_may_set_the_quality_of_service(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(own_domain()))
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    over = [Parameter("qos_overrides./words.publisher.depth", value=7)]
    over.append(Parameter("qos_overrides./words.publisher.reliability", value="best_effort"))
    node = rclpy.create_node("over", context=context, parameter_overrides=over)
    given = QoSProfile(depth=1)
    options = QoSOverridingOptions.with_default_policies()
    publisher = node.create_publisher(String, "words", given, qos_overriding_options=options)
    (told,) = node.get_publishers_info_by_topic("words")
    assert told.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    assert node.get_parameter("qos_overrides./words.publisher.history").value == "keep_last" and publisher

    def refuse(profile):
        from rcl_interfaces.msg import SetParametersResult

        return SetParametersResult(successful=False, reason="too careless")

    with pytest.raises(InvalidQosOverridesError, match="too careless"):
        options = QoSOverridingOptions.with_default_policies(callback=refuse, entity_id="two")
        node.create_publisher(String, "words", QoSProfile(depth=1), qos_overriding_options=options)
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_jumps_of_a_clock_are_told_to_whom_they_concern():
    clock, told = ROSClock(), []

    def note(name):
        return lambda jump: told.append((name, int(jump.clock_change), jump.delta.nanoseconds / 1e9))

    forward = JumpThreshold(min_forward=Duration(seconds=2), min_backward=None, on_clock_change=False)
    back = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-1))
    handles = [
        clock.create_jump_callback(forward, pre_callback=lambda: told.append("before"), post_callback=note("forward")),
        clock.create_jump_callback(back, post_callback=note("back")),
    ]
    clock.set_ros_time_override(Time(seconds=7, clock_type=clock.clock_type))
    clock._set_ros_time_is_active(True)
    assert clock.now().nanoseconds == 7 * 10**9
    for second in (8, 11, 10.5, 3):
        clock.set_ros_time_override(Time(seconds=second, clock_type=clock.clock_type))
    change = int(ClockChange.ROS_TIME_ACTIVATED), int(ClockChange.ROS_TIME_NO_CHANGE)
    assert told == [("back", change[0], 0.0), "before", ("forward", change[1], 3.0), ("back", change[1], -7.5)]
    for handle in handles:
        handle.unregister()
    clock._set_ros_time_is_active(False)
    assert len(told) == 4
    for spans in ((Duration(), None), (None, Duration(seconds=1))):
        with pytest.raises(ValueError):
            JumpThreshold(min_forward=spans[0], min_backward=spans[1])
    with pytest.raises(ValueError):
        JumpThreshold(min_forward=None, min_backward=None, on_clock_change=False)
    with pytest.raises(ValueError):
        clock.create_jump_callback(back)


def quarter_turn():
    """The frame ``tool`` in ``base``: turned by 90 degrees about z, 1 m along x."""
    transform = TransformStamped(child_frame_id="tool")
    transform.header.frame_id = "base"
    transform.transform.translation.x = 1.0
    transform.transform.rotation.z = transform.transform.rotation.w = 0.5**0.5
    return transform


def test_a_buffer_transforms_stamped_data():
    buffer = tf2_ros.Buffer()
    buffer.set_transform_static(quarter_turn(), "test")
    point = PointStamped()
    point.header.frame_id, point.point.x, point.point.y = "tool", 2.0, 0.5
    moved = buffer.transform(point, "base")
    assert moved.header.frame_id == "base"
    assert [moved.point.x, moved.point.y, moved.point.z] == pytest.approx([0.5, 2.0, 0.0])
    vector = Vector3Stamped(header=point.header)
    vector.vector.x = 2.0
    turned = buffer.transform(vector, "base").vector
    assert [turned.x, turned.y, turned.z] == pytest.approx([0.0, 2.0, 0.0])
    pose = PoseStamped(header=point.header)
    pose.pose.position.x, pose.pose.orientation.w = 2.0, 1.0
    moved = buffer.transform(pose, "base").pose
    assert [moved.position.x, moved.position.y] == pytest.approx([1.0, 2.0])
    assert [moved.orientation.z, moved.orientation.w] == pytest.approx([0.5**0.5, 0.5**0.5])
    uncertain = PoseWithCovarianceStamped(header=point.header)
    uncertain.pose.pose = pose.pose
    uncertain.pose.covariance[0], uncertain.pose.covariance[35] = 4.0, 9.0  # along x of the tool, and about z
    covariance = buffer.transform(uncertain, "base").pose.covariance.reshape(6, 6)
    assert covariance[1, 1] == pytest.approx(4.0) and covariance[0, 0] == pytest.approx(0.0)
    assert covariance[5, 5] == pytest.approx(9.0)
    with pytest.raises(tf2_ros.TypeException):
        buffer.transform(String(), "base")
    assert tf2_ros.convert(point, PointStamped) == point


def test_installed_packages_are_found(tmp_path, monkeypatch):
    from ament_index_python.packages import (
        PackageNotFoundError,
        get_package_prefix,
        get_package_share_directory,
        get_packages_with_prefixes,
    )
    from ament_index_python.resources import get_resource, has_resource

    for number in (1, 2):
        index = tmp_path / str(number) / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True)
        for name in ("mine", f"mine{number}", ".hidden"):
            (index / name).write_text(f"content {number}")
    (tmp_path / "1/share/mine").mkdir()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path}/1:{tmp_path}/nowhere:{tmp_path}/2")
    assert get_package_share_directory("mine") == str(tmp_path / "1/share/mine")
    assert get_packages_with_prefixes() == {"mine": f"{tmp_path}/1", "mine1": f"{tmp_path}/1", "mine2": f"{tmp_path}/2"}
    assert get_resource("packages", "mine2") == ("content 2", f"{tmp_path}/2")
    assert has_resource("packages", "nothing") is False
    with pytest.warns(UserWarning, match="does not exist"):
        get_package_share_directory("mine2")
    for name, error in (("nothing", PackageNotFoundError), ("no/name", ValueError), ("", ValueError)):
        with pytest.raises(error):
            get_package_prefix(name)
    with pytest.raises(LookupError):
        get_resource("packages", "nothing")
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    with pytest.raises(OSError):
        get_package_prefix("mine")
