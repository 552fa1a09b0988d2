# SPDX-License-Identifier: Apache-2.0
"""tf2_ros: where one frame is in another, and when. Where ROS 2 is installed these tests are of its own tf2."""

import math
import threading

import pytest
from nodes_support import spin_until

from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time

tf2_ros = pytest.importorskip("tf2_ros")
LATEST = Time()
HALF = math.sqrt(0.5)


def pose(parent, child, at=0.0, x=0.0, y=0.0, yaw=0.0):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = Time(seconds=at).to_msg()
    message.transform.translation.x, message.transform.translation.y = float(x), float(y)
    message.transform.rotation.z, message.transform.rotation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    return message


def buffer_of(*transforms, static=(), **options):
    buffer = tf2_ros.Buffer(**options)
    for transform in transforms:
        buffer.set_transform(transform, "test")
    for transform in static:
        buffer.set_transform_static(transform, "test")
    return buffer


def flat(found):
    """x, y, qz, qw of a transform."""
    place, turn = found.transform.translation, found.transform.rotation
    return place.x, place.y, turn.z, turn.w


def test_a_chain_is_followed_up_and_down():
    # A base at (1, 0) that faces +y carries a camera 2 m ahead of it: the camera is at (1, 2) in the map.
    buffer = buffer_of(static=[pose("map", "base", x=1, yaw=math.pi / 2), pose("base", "camera", x=2)])
    found = buffer.lookup_transform("map", "camera", LATEST)
    assert (found.header.frame_id, found.child_frame_id) == ("map", "camera")
    assert flat(found) == pytest.approx((1, 2, HALF, HALF))
    # Seen from the camera, the map's origin is 2 m behind and, as the base stands 1 m along +x, 1 m to the left.
    assert flat(buffer.lookup_transform("camera", "map", LATEST)) == pytest.approx((-2, 1, -HALF, HALF))
    assert flat(buffer.lookup_transform("map", "map", LATEST)) == (0, 0, 0, 1)


def test_siblings_meet_in_their_parent():
    buffer = buffer_of(static=[pose("base", "left", y=1), pose("base", "right", y=-1, yaw=math.pi / 2)])
    # From the right hand, turned to +y, the left one is 2 m straight ahead.
    assert flat(buffer.lookup_transform("right", "left", LATEST)) == pytest.approx((2, 0, -HALF, HALF))


def test_between_two_stamps_it_is_interpolated():
    buffer = buffer_of(pose("odom", "base", 10, x=0), pose("odom", "base", 12, x=4, yaw=math.pi / 2))
    found = buffer.lookup_transform("odom", "base", Time(seconds=10.5))
    assert flat(found) == pytest.approx((1, 0, math.sin(math.pi / 16), math.cos(math.pi / 16)))
    assert Time.from_msg(found.header.stamp).nanoseconds == 10_500_000_000
    assert flat(buffer.lookup_transform("odom", "base", Time(seconds=12)))[0] == 4


def test_rotations_take_the_shorter_way():
    first, second = pose("odom", "base", 1, yaw=math.radians(170)), pose("odom", "base", 3, yaw=math.radians(-170))
    _, _, z, w = flat(buffer_of(first, second).lookup_transform("odom", "base", Time(seconds=2)))
    assert math.degrees(2 * math.atan2(z, w)) % 360 == pytest.approx(180)


def test_the_latest_is_the_latest_that_the_whole_chain_knows():
    buffer = buffer_of(
        pose("odom", "base", 1, x=1), pose("odom", "base", 3, x=3), pose("odom", "base", 5, x=5),
        pose("base", "head", 1), pose("base", "head", 4, y=3),
        static=[pose("head", "camera", y=10)],
    )  # fmt: skip
    found = buffer.lookup_transform("odom", "camera", LATEST)
    assert Time.from_msg(found.header.stamp).nanoseconds == 4_000_000_000
    assert flat(found)[:2] == pytest.approx((4, 13))
    assert buffer.get_latest_common_time("odom", "camera").nanoseconds == 4_000_000_000
    found = buffer.lookup_transform("head", "camera", LATEST)
    assert (found.header.stamp.sec, found.header.stamp.nanosec) == (0, 0), "static ones hold at all times"
    assert flat(buffer.lookup_transform("head", "camera", Time(seconds=99)))[1] == 10


def test_a_frame_at_one_time_seen_from_another_time():
    buffer = buffer_of(
        pose("map", "base", 1, x=1), pose("map", "base", 2, x=5),
        pose("map", "ball", 1, x=2), pose("map", "ball", 2, x=7),
    )  # fmt: skip
    asked = ("base", Time(seconds=2), "ball", Time(seconds=1), "map")
    assert buffer.can_transform_full(*asked)
    assert flat(buffer.lookup_transform_full(*asked))[0] == pytest.approx(2 - 5)


@pytest.mark.parametrize(
    "target, source, seconds, error",
    [
        ("odom", "nowhere", 0, tf2_ros.LookupException),
        ("nowhere", "base", 0, tf2_ros.LookupException),
        ("odom", "island", 0, tf2_ros.ConnectivityException),
        ("odom", "base", 9, tf2_ros.ExtrapolationException),
        ("base", "odom", 13, tf2_ros.ExtrapolationException),
        ("/odom", "base", 0, tf2_ros.InvalidArgumentException),
        ("odom", "", 0, tf2_ros.InvalidArgumentException),
    ],
)
def test_what_cannot_be_told_is_an_error_of_its_kind(target, source, seconds, error):
    buffer = buffer_of(pose("odom", "base", 10), pose("odom", "base", 12), static=[pose("sea", "island")])
    assert not buffer.can_transform(target, source, Time(seconds=seconds))
    possible, why = buffer.can_transform(target, source, Time(seconds=seconds), return_debug_tuple=True)
    assert not possible and why
    with pytest.raises(error) as caught:
        buffer.lookup_transform(target, source, Time(seconds=seconds))
    assert isinstance(caught.value, tf2_ros.TransformException)


def test_what_makes_no_sense_is_ignored():
    bent = pose("odom", "base", 1)
    bent.transform.rotation.w = 0.0
    broken = pose("odom", "base", 1, x=math.nan)
    buffer = buffer_of(bent, broken, pose("odom", "odom", 1), pose("", "base", 1), pose("odom", "", 1))
    assert not buffer.can_transform("odom", "base", LATEST)
    buffer.set_transform(pose("/odom", "/base", 1, x=1), "old style")
    assert flat(buffer.lookup_transform("odom", "base", LATEST))[0] == 1
    bent.transform.rotation.z = bent.transform.rotation.w = 2.0  # any length will do
    buffer.set_transform_static(bent, "careless")
    assert flat(buffer.lookup_transform("odom", "base", LATEST))[2:] == pytest.approx((HALF, HALF))


def test_transforms_are_kept_for_the_time_asked():
    buffer = buffer_of(*(pose("odom", "base", at, x=at) for at in (10, 11, 12, 15)), cache_time=Duration(seconds=3))
    buffer.set_transform(pose("odom", "base", 11.5, x=-1), "late")  # too old: it does not count
    with pytest.raises(tf2_ros.ExtrapolationException):
        buffer.lookup_transform("odom", "base", Time(seconds=11))
    assert flat(buffer.lookup_transform("odom", "base", Time(seconds=13)))[0] == pytest.approx(13)
    buffer.set_transform(pose("odom", "base", 13, x=0), "late, but not too late")
    assert flat(buffer.lookup_transform("odom", "base", Time(seconds=13)))[0] == 0


def test_clear_forgets_all_but_static_transforms():
    buffer = buffer_of(pose("odom", "base", 1), static=[pose("base", "camera")])
    assert "camera" in buffer.all_frames_as_yaml()
    buffer.clear()
    assert not buffer.can_transform("odom", "base", LATEST) and buffer.can_transform("base", "camera", LATEST)


def test_a_lookup_can_wait_for_a_transform_that_another_thread_brings():
    buffer = tf2_ros.Buffer()
    waiting = buffer.wait_for_transform_async("odom", "base", LATEST)
    assert not waiting.done()
    threading.Timer(0.05, buffer.set_transform, (pose("odom", "base", 1, x=7), "test")).start()
    assert flat(buffer.lookup_transform("odom", "base", LATEST, Duration(seconds=30)))[0] == 7
    assert waiting.done() and flat(waiting.result())[0] == 7
    assert not buffer.can_transform("odom", "nowhere", LATEST, Duration(seconds=0.01))


def test_broadcasters_reach_a_listener_static_ones_also_a_late_one(spun_node):
    node, executor = spun_node
    fixed, moving = tf2_ros.StaticTransformBroadcaster(node), tf2_ros.TransformBroadcaster(node)
    fixed.sendTransform(pose("base", "camera", x=1))
    fixed.sendTransform([pose("base", "tool", x=2)])  # both are now in the one latched message
    buffer = tf2_ros.Buffer(node=node)
    listener = tf2_ros.TransformListener(buffer, node)
    node.create_timer(0.02, lambda: moving.sendTransform(pose("odom", "base", 3, x=4)))
    spin_until(executor, lambda: all(buffer.can_transform("odom", end, LATEST) for end in ("camera", "tool")))
    assert flat(buffer.lookup_transform("odom", "camera", LATEST))[0] == pytest.approx(5)
    listener.unregister()
