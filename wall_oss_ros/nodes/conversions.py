# SPDX-License-Identifier: Apache-2.0
"""Conversions between messages and the plain objects that the logic works with."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.observation import Observation
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotations import matrix_from_quaternion, quaternion_from_matrix
from wall_oss_ros.uni_cot.plan import Plan

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion, TransformStamped, Vector3
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from wall_oss_msgs.msg import ActionChunk, Subtask, SubtaskPlan


def seconds(stamp) -> float:
    """A time or duration message in seconds."""
    return stamp.sec + stamp.nanosec * 1e-9


def to_stamp(time: float, kind: type = Time):
    """Seconds as a time message, or as a ``Duration`` if that is the ``kind``; not below zero."""
    sec, nanosec = divmod(max(round(time * 1e9), 0), 10**9)
    return kind(sec=sec, nanosec=nanosec)


def _xyz(kind: type, values):
    """Three numbers as a ``Point`` or ``Vector3``."""
    x, y, z = (float(value) for value in values)
    return kind(x=x, y=y, z=z)


def _quaternion(rotation: np.ndarray) -> Quaternion:
    x, y, z, w = quaternion_from_matrix(rotation).tolist()
    return Quaternion(x=x, y=y, z=z, w=w)


def image_message(image: np.ndarray, header) -> Image:
    """An image (H, W, 3) uint8 as an rgb8 message."""
    height, width = image.shape[:2]
    message = Image(header=header, height=height, width=width, encoding="rgb8", is_bigendian=0, step=3 * width)
    # An array of bytes is taken over as it is; a list or bytes would be checked value by value.
    message.data = array("B", np.ascontiguousarray(image).tobytes())
    return message


def image_array(message: Image) -> np.ndarray:
    """The pixels (H, W, 3) uint8 of an rgb8 message, without a copy.

    Raises:
        WallOSSError: another encoding, or a number of bytes that does not match the size.
    """
    expected = message.height * message.step
    if message.encoding != "rgb8" or message.step < 3 * message.width or len(message.data) != expected:
        raise WallOSSError(
            f"An image of {message.width} x {message.height} in {message.encoding!r} with {len(message.data)} bytes"
            " came where rgb8 was expected.",
            "Let the perception node make the observations.",
        )
    rows = np.frombuffer(message.data, dtype=np.uint8).reshape(message.height, message.step)
    return rows[:, : 3 * message.width].reshape(message.height, message.width, 3)


def observation_from(message) -> Observation:
    """A wall_oss_msgs/Observation as a plain observation.

    Raises:
        WallOSSError: an image or the state is not as the message's definition has it.
    """
    if len(message.view_names) != len(message.views):
        raise WallOSSError(
            f"An observation names {len(message.view_names)} views and has {len(message.views)} images.",
            "Let the perception node make the observations.",
        )
    return Observation(
        stamp=seconds(message.header.stamp),
        images={name: image_array(view) for name, view in zip(message.view_names, message.views)},
        state=np.asarray(message.state, dtype=np.float32),
        state_mask=np.asarray(message.state_mask, dtype=bool),
    ).check()


def trajectory_message(joints: Sequence[str], setpoints: Sequence[Setpoint], time: float | None) -> JointTrajectory:
    """Setpoints for a joint trajectory controller.

    Args:
        joints: names of the joints.
        setpoints: the points to go through.
        time: from which the setpoints' times count, s; None is the time of arrival.
    """
    message = JointTrajectory(joint_names=list(joints))
    if time is not None:
        message.header.stamp = to_stamp(time)
    for setpoint in setpoints:
        point = JointTrajectoryPoint(positions=setpoint.position.tolist(), velocities=setpoint.velocity.tolist())
        point.time_from_start = to_stamp(setpoint.time, Duration)
        message.points.append(point)
    return message


def chunk_message(
    header, plan_id: int, subtask: str, targets: np.ndarray, rate_hz: float, layout: Layout, inference_s: float
) -> ActionChunk:
    """A chunk of absolute targets (horizon, A) with the path of each arm. ``header``: the observation's."""
    message = ActionChunk(header=header, plan_id=plan_id, subtask=subtask, rate_hz=float(rate_hz))
    message.horizon, message.dof = targets.shape
    message.actions = np.where(layout.mask, targets, 0.0).astype(np.float32).ravel().tolist()
    message.dof_mask = layout.mask.tolist()
    message.inference_s = float(inference_s)
    message.path, *message.more_paths = (_path(header, targets, arm) for arm in layout.arms)
    return message


def _path(header, targets: np.ndarray, arm: Layout) -> PoseArray:
    """One arm's poses in a chunk's targets (horizon, A), in the arm's own base frame."""
    path = PoseArray(header=Header(stamp=header.stamp, frame_id=arm.profile.arm.base_frame))
    for target in targets:
        position, rotation, _ = arm.unpack(target)
        path.poses.append(Pose(position=_xyz(Point, position), orientation=_quaternion(rotation)))
    return path


def planar_pose(pose: Pose) -> np.ndarray:
    """x, y (m) and yaw (rad) of a pose, (3,)."""
    q = pose.orientation
    yaw = math.atan2(2 * (q.w * q.z + q.x * q.y), 1 - 2 * (q.y * q.y + q.z * q.z))
    return np.array([pose.position.x, pose.position.y, yaw])


def transform_message(parent: str, child: str, pose: np.ndarray) -> TransformStamped:
    """The pose (4, 4) of ``child`` in ``parent``, m, as a transform."""
    message = TransformStamped(header=Header(frame_id=parent), child_frame_id=child)
    message.transform.translation = _xyz(Vector3, pose[:3, 3])
    message.transform.rotation = _quaternion(pose[:3, :3])
    return message


def transform_pose(message: TransformStamped) -> np.ndarray:
    """The inverse of ``transform_message``: the pose (4, 4)."""
    translation, rotation = message.transform.translation, message.transform.rotation
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w))
    pose[:3, 3] = translation.x, translation.y, translation.z
    return pose


def plan_message(plan: Plan, frame: str, time: float, planner: str = "") -> SubtaskPlan:
    """A plan as it is at ``time`` (s); ``frame``: the robot's base frame; ``planner``: the id of who made it."""
    message = SubtaskPlan(header=Header(stamp=to_stamp(time), frame_id=frame), plan_id=plan.id, active=plan.active)
    message.instruction, message.reasoning, message.message = plan.instruction, plan.reasoning, plan.message
    message.status, message.planner = int(plan.status), planner
    message.began, message.ended = to_stamp(plan.began or 0.0), to_stamp(plan.ended or 0.0)
    for subtask in plan.subtasks:
        item = Subtask(text=subtask.text, status=int(subtask.status))
        item.started, item.finished = to_stamp(subtask.started or 0.0), to_stamp(subtask.finished or 0.0)
        item.has_target = subtask.target is not None
        item.target = _xyz(Point, subtask.target or (0.0, 0.0, 0.0))
        message.subtasks.append(item)
    return message
