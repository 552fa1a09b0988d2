# SPDX-License-Identifier: Apache-2.0
"""Conversions between messages and the plain objects that the logic works with."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wall_oss_ros.control.setpoints import Setpoint
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.policy.chunk import Chunk, ChunkAnswer, ChunkRequest, Task
from wall_oss_ros.robots.layout import Layout
from wall_oss_ros.robots.rotations import matrix_from_quaternion, quaternion_from_matrix, yaw_of

from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion, TransformStamped, Vector3
from std_msgs.msg import Header
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint
from wall_oss_msgs.msg import ActionChunk, ActionRequest


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


def request_message(request: ChunkRequest, frame: str, time: float) -> ActionRequest:
    """A request as it is sent at ``time`` (s); ``frame``: the robot's base frame."""
    message = ActionRequest(header=Header(stamp=to_stamp(time), frame_id=frame))
    message.control, message.request_id, message.robot = request.control, request.number, request.robot
    message.planner, message.plan_id, message.active, message.subtask, message.active_revision = request.task
    message.committed_until = to_stamp(request.committed_until)
    if (chunk := request.previous) is not None:
        rows = np.vstack([chunk.start, chunk.targets])
        message.previous_start, message.previous_rate_hz = to_stamp(chunk.stamp), float(chunk.rate_hz)
        message.previous_rows, message.dof = rows.shape
        message.previous = rows.astype(np.float32).ravel().tolist()
    return message


def request_from(message: ActionRequest) -> ChunkRequest:
    """The inverse of ``request_message``.

    Raises:
        WallOSSError: it contradicts itself.
    """
    previous = None
    if message.previous_rows:
        rows = _rows(message.previous, message.previous_rows, message.dof, message.previous_rate_hz, "A request")
        previous = Chunk(seconds(message.previous_start), rows[0], rows[1:], float(message.previous_rate_hz))
    task = _task(message)
    until = seconds(message.committed_until)
    return ChunkRequest(message.control, message.request_id, message.robot, task, previous, until)


def _task(message: ActionRequest | ActionChunk) -> Task:
    return Task(message.planner, message.plan_id, message.active, message.subtask, message.active_revision)


def answer_message(answer: ChunkAnswer, layout: Layout) -> ActionChunk:
    """An answer with the path of each arm, if there is a chunk."""
    message = ActionChunk(control=answer.control, request_id=answer.number, robot=answer.robot, error=answer.error)
    message.header = Header(stamp=to_stamp(answer.stamp), frame_id=layout.profile.arm.base_frame)
    message.planner, message.plan_id, message.active, message.subtask, message.active_revision = answer.task
    message.expert, message.checkpoint = answer.expert, answer.checkpoint
    message.inference_s = float(answer.seconds)
    if (chunk := answer.chunk) is not None:
        message.state, message.rate_hz = chunk.start.astype(np.float32).tolist(), float(chunk.rate_hz)
        message.horizon, message.dof = chunk.targets.shape
        message.actions = np.where(layout.mask, chunk.targets, 0.0).astype(np.float32).ravel().tolist()
        message.dof_mask = np.asarray(answer.moves, bool).tolist()
        message.path, *message.more_paths = (_path(message.header, chunk.targets, arm) for arm in layout.arms)
    return message


def answer_from(message: ActionChunk) -> ChunkAnswer:
    """The inverse of ``answer_message``.

    Raises:
        WallOSSError: it contradicts itself.
    """
    chunk = moves = None
    stamp = seconds(message.header.stamp)
    if not message.error:
        rows = _rows(message.actions, message.horizon, message.dof, message.rate_hz, "An action chunk")
        state, moves = np.asarray(message.state, float), np.asarray(message.dof_mask, bool)
        if not len(state) == len(moves) == message.dof:
            raise _inconsistent("An action chunk", f"{message.dof} degrees of freedom", f"{len(state)} in its state")
        chunk = Chunk(stamp, state, rows, float(message.rate_hz))
    return ChunkAnswer(
        message.control,
        message.request_id,
        _task(message),
        robot=message.robot,
        stamp=stamp,
        chunk=chunk,
        moves=moves,
        error=message.error,
        seconds=message.inference_s,
        expert=message.expert,
        checkpoint=message.checkpoint,
    )


def _rows(values, count: int, width: int, rate: float, what: str) -> np.ndarray:
    """Rows (count, width) of a message; their numbers may be anything, but are as many as it says."""
    if not (count > 0 and width > 0 and len(values) == count * width):
        raise _inconsistent(what, f"{count} rows of {width}", f"{len(values)} numbers")
    if not (math.isfinite(rate) and rate > 0):
        raise _inconsistent(what, f"{count} rows", f"{rate:g} of them a second")
    return np.asarray(values, float).reshape(count, width)


def _inconsistent(what: str, says: str, has: str) -> WallOSSError:
    return WallOSSError(f"{what} says that it has {says}, and has {has}.", "Run one version of WALL-OSS on all sides.")


def _path(header, targets: np.ndarray, arm: Layout) -> PoseArray:
    """One arm's poses in a chunk's targets (horizon, A), in the arm's own base frame."""
    path = PoseArray(header=Header(stamp=header.stamp, frame_id=arm.profile.arm.base_frame))
    for target in targets:
        position, rotation, _ = arm.unpack(target)
        path.poses.append(Pose(position=_xyz(Point, position), orientation=_quaternion(rotation)))
    return path


def planar_pose(pose: Pose) -> np.ndarray:
    """x, y (m) and yaw (rad) of a pose, (3,)."""
    return np.array([pose.position.x, pose.position.y, yaw_of(pose.orientation)])


def transform_message(parent: str, child: str, pose: np.ndarray) -> TransformStamped:
    """The pose (4, 4) of ``child`` in ``parent``, m, as a transform."""
    message = TransformStamped(header=Header(frame_id=parent), child_frame_id=child)
    message.transform.translation = _xyz(Vector3, pose[:3, 3])
    message.transform.rotation = _quaternion(pose[:3, :3])
    return message


def transform_pose(message: TransformStamped) -> np.ndarray:
    """The inverse of ``transform_message``: the pose (4, 4)."""
    return pose_matrix(message.transform.translation, message.transform.rotation)


def pose_matrix(position, rotation: Quaternion) -> np.ndarray:
    """A position (a point or vector message) and a quaternion as a homogeneous matrix (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3] = matrix_from_quaternion((rotation.x, rotation.y, rotation.z, rotation.w))
    pose[:3, 3] = position.x, position.y, position.z
    return pose


def pose_message(pose: np.ndarray | None) -> Pose:
    """A homogeneous matrix (4, 4) as a pose; None as a quaternion of zeros."""
    if pose is None:
        return Pose(orientation=Quaternion(x=0.0, y=0.0, z=0.0, w=0.0))
    return Pose(position=_xyz(Point, pose[:3, 3]), orientation=_quaternion(pose[:3, :3]))
