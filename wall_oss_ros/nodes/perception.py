# SPDX-License-Identifier: Apache-2.0
"""Node perception: camera images and joint states in, observations for the model out."""

from __future__ import annotations

import sys
from functools import partial

import numpy as np

from wall_oss_ros.nodes.camera_frames import CameraFrames
from wall_oss_ros.nodes.conversions import planar_pose, pose_message, seconds, to_stamp
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode
from wall_oss_ros.nodes.observation_messages import depth_message, distortion_numbers, image_message
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST, SENSOR
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.view_source import ViewSource
from wall_oss_ros.perception.calibration import Calibration
from wall_oss_ros.perception.compressed_depth import is_compressed
from wall_oss_ros.perception.framing import Framing
from wall_oss_ros.perception.frozen import FrozenPictures
from wall_oss_ros.perception.health import ObservationHealth
from wall_oss_ros.perception.lens import is_rectified, lens_of
from wall_oss_ros.perception.model_views import Model, ModelViews
from wall_oss_ros.perception.pictures import PictureError, compressed_pixels, raw_pixels
from wall_oss_ros.perception.rates import RateLimit, RateMeter
from wall_oss_ros.perception.registered import RegisteredDepth
from wall_oss_ros.perception.robot_state import RobotState, RobotStateHistory
from wall_oss_ros.perception.views import ViewSync
from wall_oss_ros.robots.cameras import with_cameras
from wall_oss_ros.robots.frames import Frames
from wall_oss_ros.robots.identity import robot_identity
from wall_oss_ros.robots.profile import load_profile

from cv_bridge import CvBridge
from nav_msgs.msg import Odometry
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState
from std_msgs.msg import Header
from wall_oss_msgs.msg import ModelInfo, Observation

_FOLLOW = 0.3  # s: how often is looked whether a camera's driver is there
_LEVELS = {"ok": OK, "warn": WARN, "error": ERROR}


class PerceptionNode(WallOSSNode):
    """Topics: the profile's image topics, joint states, odometry and ``model`` in; out go ``observation``, with the
    views that the model takes, and ``observation_state``, the same without them."""

    PARAMETERS = (
        Parameter("rate_hz", 10.0, "Most observations published in a second, Hz.", 0.1, 60.0),
        Parameter(
            "cameras", "", "Where the views' pictures come from and what becomes of them, over what the profile says:"
            " a preset in config/drivers/cameras, the path of a YAML file, or {view: {field: value}}."
        ),
        Parameter("camera_poses", True, "Whether tf is asked where the cameras are, which observations then say."),
        Parameter("depth", True, "Whether observations say how far things are, where the profile names depth images."),
        Parameter("stale_s", 1.0, "Age from which views or joint states count as stale, s.", 0.05, 60.0, live=True),
        Parameter(
            "image_size", 0, "No longer used, and accepted for now: the views' size is what the model says.", 0, 1024
        ),
    )  # fmt: skip

    def __init__(self, **options):
        super().__init__("perception", **options)

    def setup(self) -> None:
        self._profile = with_cameras(load_profile(self.value("robot")), self.value("cameras"))
        if self.value("image_size"):
            self.get_logger().warning("Parameter image_size is ignored: the views' size is what the model says.")
        self._identity = robot_identity(self._profile)
        self._bridge = CvBridge()
        self._framings = {view.name: Framing(view) for view in self._profile.views}
        self._observations = self.publish_to(Observation, "observation", NEWEST)
        self._states = self.publish_to(Observation, "observation_state", NEWEST)

    def start(self) -> None:
        profile = self._profile
        self._model = ModelViews(self._identity, [view.name for view in profile.views])
        self._views = self._sync()
        self._by_name = {view.name: view for view in profile.views}
        self._robot = RobotStateHistory(profile)
        self._limit = RateLimit(self.value("rate_hz"))
        self._health = ObservationHealth(self.value("rate_hz"), self.steady())
        self._rates = {view.name: RateMeter(window=3.0) for view in profile.views}
        self._frozen = FrozenPictures(noiseless=self.value("use_sim_time"))
        self._calibration: Calibration | None = None
        if self.value("camera_poses"):
            look_up = CameraFrames(self).look_up
            self._calibration = Calibration(Frames(profile), profile.arm.base_frame, look_up)
            for view in profile.views:
                rectified = is_rectified(view, self.resolve_topic_name(view.image_topic))
                on_info = partial(self._on_camera_info, view.name, rectified)
                self.listen(CameraInfo, view.camera_info_topic, on_info, SENSOR)
        self.listen(ModelInfo, "model", self._on_model, LATCHED)
        self._depths = self._listen_to_depth()
        self._sources = {v.name: ViewSource(self, v, partial(self._on_image, v.name)) for v in profile.views}
        for source in self._sources.values():
            self.keep(source, ViewSource.close)
        self.every(_FOLLOW, self._follow)
        self.listen_to_joints(profile, self._on_joints)
        if profile.base is not None:
            self.listen(Odometry, profile.base.odometry, self._on_odometry, SENSOR)

    def _listen_to_depth(self) -> dict[str, RegisteredDepth]:
        """By view, its depth images, which stay as they come until an observation is made."""
        made = {}
        for view in self._profile.views:
            if view.depth_topic is None or not self.value("depth"):
                continue
            skew = self._profile.watchdog.view_skew
            depth = made[view.name] = RegisteredDepth(self._framings[view.name], skew, view.depth_topic)
            qos = EVENTS if view.reliability == "reliable" else SENSOR
            topic = self.resolve_topic_name(view.depth_topic)
            kind = CompressedImage if is_compressed(topic) else Image
            self.listen(kind, view.depth_topic, partial(self._on_depth, depth), qos)
            if view.depth_info_topic is not None:
                on_info = partial(self._on_depth_info, depth, is_rectified(view, topic))
                self.listen(CameraInfo, view.depth_info_topic, on_info, SENSOR)
        return made

    def diagnose(self):
        now, limit = self.now(), self.value("stale_s")
        faults = [self._model.fault] if self._model.fault else []
        complaints = [] if self._size is not None else ["waiting for the model"]
        rates = {view: meter.measure(now)[0] for view, meter in self._rates.items()}
        for view, source in self._sources.items():
            complaints += source.complaints(flowing=rates[view] > 0)
        complaints += self._views.complaints(now, limit) + self._robot.complaints(now, limit)
        complaints += self._frozen.complaints()
        absent: list[str] = []
        if self._calibration is not None:
            complaints += [f"{view}: {what}" for view, what in self._calibration.doubts.items()]
            absent = [f"{view} is not calibrated: {what}" for view, what in self._calibration.absent.items()]
        absent += [f"{view} has no depth: {depth.absent}" for view, depth in self._depths.items() if depth.absent]
        verdict = self._health.verdict(now, self.steady(), faults, complaints)
        values = {"observations_hz": f"{verdict.rate:.1f}", "jitter_s": f"{verdict.jitter:.4f}"}
        values |= {f"{view}_hz": f"{rate:.1f}" for view, rate in rates.items()}
        values |= {"image_size": "" if self._size is None else self._size, "calibration": "; ".join(absent)}
        # Nothing moves by a calibration or by depth, so what is absent of it does not count as a fault.
        return _LEVELS[verdict.level], "; ".join((verdict.message, *absent)), values

    @property
    def _size(self) -> int | None:
        """Side of the model's views, pixels; 0 leaves them as they are. None until the model is known."""
        return self._model.size if self._model.known else None

    def _follow(self) -> None:
        for source in self._sources.values():
            if source.waiting:
                source.complaints()

    def _on_model(self, message: ModelInfo) -> None:
        said = Model(
            message.expert, message.checkpoint, message.robot, tuple(message.view_names), int(message.image_size)
        )
        names = self._model.names
        self._model.hear(said, self.steady())
        if self._model.names != names:
            self._views = self._sync()

    def _sync(self) -> ViewSync:
        # A simulation has one clock, which may come in late; with real cameras, what is ahead is another clock.
        ahead = {"ahead": 1.0} if self.value("use_sim_time") else {}
        return ViewSync(self._model.names, self._profile.watchdog.view_skew, **ahead)

    def _on_camera_info(self, view: str, rectified: bool, message: CameraInfo) -> None:
        self._calibration.hear(view, lens_of(message, rectified))

    def _on_depth(self, depth: RegisteredDepth, message: Image | CompressedImage) -> None:
        depth.add(seconds(message.header.stamp), message)

    def _on_depth_info(self, depth: RegisteredDepth, rectified: bool, message: CameraInfo) -> None:
        depth.hear(lens_of(message, rectified))

    def _on_joints(self, message: JointState) -> None:
        stamp = seconds(message.header.stamp)
        if problem := self._robot.add_joint_state(stamp, message.name, message.position, message.velocity):
            self._complain(problem)

    def _on_odometry(self, message: Odometry) -> None:
        self._robot.add_odometry(seconds(message.header.stamp), planar_pose(message.pose.pose))

    def _on_image(self, view: str, message: Image | CompressedImage) -> None:
        now = self.now()
        self._rates[view].tick(now)
        if self._model.fault or view not in self._model.names:
            return
        if self._views.add_image(view, seconds(message.header.stamp), message, now):
            return  # the diagnostics say why
        synchronised = self._views.pop_synchronised()
        if synchronised is None or not self._limit.permits(synchronised[0]):
            return
        self._observe(*synchronised)

    def _observe(self, stamp: float, images: dict[str, Image | CompressedImage]) -> None:
        """Publishes what was seen at ``stamp`` (s), and where the robot was then."""
        state = self._robot.at(stamp)
        if state is None:
            newest = self._robot.stamp
            off = (
                ""
                if newest is None
                else f": the newest ones are {abs(newest - stamp):.2f} s " + ("older" if newest < stamp else "newer")
            )
            self._complain(f"no joint states at the time of the images{off}")
            return
        if state.missing:
            self._complain(f"nothing from {' nor '.join(state.missing)} at the time of the images")
        for view, image in images.items():
            self._frozen.look(view, image.data, seconds(image.header.stamp), state.positions)
        message = self._observation(stamp, state)
        self._states.publish(message)
        if self._size is None:
            self._health.made(self.now(), self.steady())
            return
        for view, image in images.items():
            try:
                self._add_view(message, self._by_name[view], image, state)
            except PictureError as error:
                self._complain(f"{view} at {self._by_name[view].image_topic}: {error}")
                return
        self._observations.publish(message)
        self._health.made(self.now(), self.steady())

    def _observation(self, stamp: float, robot: RobotState) -> Observation:
        """The robot's state at ``stamp`` (s), without views."""
        message = Observation(header=Header(stamp=to_stamp(stamp), frame_id=self._profile.arm.base_frame))
        message.robot = self._identity
        message.state = robot.state.tolist()
        message.state_mask = robot.mask.tolist()
        message.joint_names = list(robot.joints)
        message.joint_positions = robot.positions.tolist()
        message.joint_velocities = robot.velocities.tolist()
        return message

    def _add_view(self, message: Observation, view, image: Image | CompressedImage, robot: RobotState) -> None:
        if isinstance(image, CompressedImage):
            pixels = compressed_pixels(image.data, view.encoding)
        else:
            pixels = raw_pixels(image, self._bridge, view.encoding)
        framing, size, header = self._framings[view.name], self._size, image.header
        height, width = pixels.shape[:2]
        message.view_names.append(view.name)
        message.views.append(image_message(framing.picture(pixels, size), header))
        message.view_to_camera.extend(framing.to_camera(height, width, size).ravel().tolist())
        lens = None
        if self._calibration is not None:
            joints = dict(zip(robot.joints, robot.positions))
            lens, pose = self._calibration.camera(view, header.frame_id, seconds(header.stamp), joints, height, width)
            new, turned = framing.camera(np.zeros((3, 3)) if lens is None else lens.matrix, height, width, size)
            message.camera_matrices.extend((np.zeros(9) if lens is None else new.ravel()).tolist())
            message.camera_poses.append(pose_message(None if pose is None else pose @ turned))
            model, numbers = distortion_numbers(None if lens is None else framing.distortion(lens.distortion))
            message.distortion_models.append(model)
            message.distortions.extend(numbers)
        if self._depths:
            source, depth = self._depths.get(view.name), None
            if source is not None:
                depth = source.view(seconds(header.stamp), header.frame_id, lens, height, width, size)
            message.depths.append(depth_message(depth, header))

    def _complain(self, why: str) -> None:
        self._health.failed(why, self.steady())
        self.get_logger().warning(why, throttle_duration_sec=5.0)


def main() -> int:
    return run(PerceptionNode)


if __name__ == "__main__":
    sys.exit(main())
