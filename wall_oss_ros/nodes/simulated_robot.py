# SPDX-License-Identifier: Apache-2.0
"""Node simulated_robot: a simulated robot with the interface of a real driver, so that no other node can tell.

Beside the driver's topics and actions it has what only a simulation can have: /clock, the ground truth, and a reset.
"""

from __future__ import annotations

import json
import sys

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.nodes.conversions import to_stamp, transform_message
from wall_oss_ros.nodes.lifecycle_node import ERROR, OK, WARN, WallOSSNode
from wall_oss_ros.nodes.observation_messages import depth_message, image_message
from wall_oss_ros.nodes.parameters import Parameter
from wall_oss_ros.nodes.priority import NICENESS
from wall_oss_ros.nodes.qos import EVENTS, LATCHED, NEWEST
from wall_oss_ros.nodes.running import run
from wall_oss_ros.nodes.simulated_controllers import GRIPPER_ACTION, GripperServer, TrajectoryServer
from wall_oss_ros.perception.depth import millimetres
from wall_oss_ros.robots.profile import load_profile
from wall_oss_ros.robots.simulation import Camera
from wall_oss_ros.sim.cameras import SimulatedCameras
from wall_oss_ros.sim.cell import mount
from wall_oss_ros.sim.driver import SimulatedDriver
from wall_oss_ros.sim.paced_thread import PacedThread
from wall_oss_ros.sim.registry import task_of

from builtin_interfaces.msg import Time
from control_msgs.msg import JointTrajectoryControllerState
from geometry_msgs.msg import TransformStamped, WrenchStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Bool, Header, String
from std_srvs.srv import Trigger
from tf2_ros import StaticTransformBroadcaster
from trajectory_msgs.msg import JointTrajectoryPoint

TICK = 0.01  # s of simulated time: the period of /clock
_STATE_EVERY, _TRUTH_EVERY = 4, 20  # ticks: controller state at 25 Hz, ground truth at 5 Hz


class SimulatedRobotNode(WallOSSNode):
    """Topics, actions, services: those the profile names, and /clock, /simulation/ground_truth, /simulation/reset."""

    PARAMETERS = (
        Parameter("seed", 0, "Seed of the scene; takes effect at the next reset.", 0, 2**31 - 1, live=True),
        Parameter(
            "colours", "", "Colours of the cubes or trays, such as red,green,blue; empty: those of the seed.", live=True
        ),
        NICENESS,  # robots' drivers run before other work, too
        Parameter("real_time_factor", 1.0, "Simulated seconds in a second of wall time.", 0.05, 20.0),
        Parameter(
            "camera_rate_hz", 0.0, "Images of each camera per second of wall time; 0 is the profile's.", 0.0, 120.0
        ),
        Parameter("image_width", 0, "Width of the images, pixels; 0 is the profile's.", 0, 1920),
        Parameter("image_height", 0, "Height of the images, pixels; 0 is the profile's.", 0, 1080),
        Parameter(
            "depth", True, "Whether there are depth images, where the profile names a topic; drawn while one listens."
        ),
        GRIPPER_ACTION,
    )

    def __init__(self, **options):
        super().__init__("simulated_robot", namespace="", **options)

    def setup(self) -> None:
        self._profile = profile = load_profile(self.value("robot"), simulated=True)
        task = task_of(profile)
        self._make_scene = lambda: task.scene(self.value("seed"), self.value("colours"))
        self._simulator = task.simulator(self._make_scene())
        self.driver = SimulatedDriver(self._simulator, task)
        self._clock_out = self.publish_to(Clock, "/clock", NEWEST)
        self._joints_out = self.publish_to(JointState, profile.joint_states, EVENTS)
        forces = [(number, one.arm) for number, one in enumerate(profile.arms) if one.arm.force]
        self._wrenches_out = [
            (n, arm.base_frame, self.publish_to(WrenchStamped, arm.force.topic, EVENTS)) for n, arm in forces
        ]
        topics = [controller.command.state_topic for controller in self.driver.controllers]
        self._states_out = [self.publish_to(JointTrajectoryControllerState, topic, EVENTS) for topic in topics]
        self._truth_out = self.publish_to(String, "/simulation/ground_truth", EVENTS)
        self._images_out = {v.name: self.publish_to(Image, v.image_topic, EVENTS) for v in profile.views}
        self._infos_out = {v.name: self.publish_to(CameraInfo, v.camera_info_topic, EVENTS) for v in profile.views}
        with_depth = [v for v in profile.views if v.depth_topic is not None and self.value("depth")]
        self._depths_out = {v.name: self.publish_to(Image, v.depth_topic, EVENTS) for v in with_depth}
        self._depth_infos_out = {
            v.name: self.publish_to(CameraInfo, v.depth_info_topic, EVENTS) for v in with_depth if v.depth_info_topic
        }
        self._frames = {v.name: v.optical_frame for v in profile.views}
        self._mounts_out = StaticTransformBroadcaster(self)
        self.keep(self._mounts_out.pub_tf, self.destroy_publisher)

    def start(self) -> None:
        profile, factor = self._profile, self.value("real_time_factor")
        # Actions wait for the arm in threads of the executor, while all else goes on.
        group = ReentrantCallbackGroup()
        for controller in self.driver.controllers:
            self.keep(TrajectoryServer(self, controller, group))
        for gripper, one in zip(self.driver.grippers, profile.arms):
            if gripper is not None:
                self.keep(GripperServer(self, gripper, one.gripper, group, self.value("gripper_action")))
        self.serve(Trigger, "/simulation/reset", self._reset)
        size = profile.simulation.image_size
        self._size = (self.value("image_height") or size, self.value("image_width") or size)
        self._cameras = SimulatedCameras(
            self._simulator, self.driver.lock, lambda: self.driver.time, [v.name for v in profile.views], self._size,
            1.0 / (self.value("camera_rate_hz") or profile.simulation.camera_rate_hz),
            self._on_picture, self._on_failure, self._depth_wanted,
        )  # fmt: skip
        self._matrices = {v.name: self._cameras.intrinsics(v.name).ravel() for v in profile.views}
        self._joint_every = max(1, round(1.0 / (profile.simulation.joint_state_rate_hz * TICK)))
        self._ticks = 0
        self._broken: Exception | None = None
        self._measured = (self.steady(), self.driver.time, 0)
        self._physics = PacedThread("physics", TICK / factor, self._tick, self._on_failure)
        for topic in {one.command.program_running_topic for one in profile.arms} - {None}:
            self.publish_to(Bool, topic, LATCHED).publish(Bool(data=True))
        self._mounts_out.sendTransform([self._mount(camera) for camera in profile.simulation.cameras])
        self._physics.start()
        try:
            self._cameras.start()
        except WallOSSError:
            self._physics.stop()
            raise

    def now(self) -> float:
        """Simulated time, s, which this node makes; it does not listen to it."""
        return self.driver.time if getattr(self, "active", False) else super().now()

    def stop(self) -> None:
        self._physics.stop()
        self._cameras.stop()

    def diagnose(self):
        wall, simulated, rounds = self._measured
        self._measured = (self.steady(), self.driver.time, self._cameras.rounds)
        elapsed = max(self._measured[0] - wall, 1e-3)
        factor, pictures = (self._measured[1] - simulated) / elapsed, (self._measured[2] - rounds) / elapsed
        wanted = self.value("real_time_factor")
        values = {"real_time_factor": f"{factor:.2f}", "pictures_hz": f"{pictures:.1f}"}
        values["lost_s"] = f"{self._physics.lost:.1f}"
        if self._broken is not None:
            return ERROR, f"the simulation has stopped: {self._broken}", values
        if factor < 0.9 * wanted and elapsed > 0.5:
            return WARN, f"physics cannot keep up: {factor:.2f} of real time, {wanted:.2f} wanted", values
        return OK, f"{factor:.2f} of real time", values

    def _tick(self) -> None:
        self.driver.tick(TICK)
        self._ticks += 1
        stamp = to_stamp(self.driver.time)
        self._clock_out.publish(Clock(clock=stamp))
        if self._ticks % self._joint_every == 0:
            self._publish_joints(stamp)
            self._publish_wrenches(stamp)
        if self._ticks % _STATE_EVERY == 0:
            self._publish_states(stamp)
        if self._ticks % _TRUTH_EVERY == 0:
            self._truth_out.publish(String(data=json.dumps(self.driver.ground_truth())))

    def _publish_joints(self, stamp: Time) -> None:
        names, positions, velocities = self.driver.joints()
        message = JointState(header=Header(stamp=stamp), name=names)
        message.position, message.velocity = positions.tolist(), velocities.tolist()
        self._joints_out.publish(message)

    def _publish_wrenches(self, stamp: Time) -> None:
        for number, frame, out in self._wrenches_out:
            message = WrenchStamped(header=Header(stamp=stamp, frame_id=frame))
            force, torque = message.wrench.force, message.wrench.torque
            (force.x, force.y, force.z), (torque.x, torque.y, torque.z) = (
                v.tolist() for v in self.driver.wrench(number)
            )
            out.publish(message)

    def _publish_states(self, stamp: Time) -> None:
        for controller, out in zip(self.driver.controllers, self._states_out):
            now = controller.state()
            message = JointTrajectoryControllerState(header=Header(stamp=stamp), joint_names=list(controller.joints))
            message.reference = _point(now.desired_position, now.desired_velocity)
            message.feedback = _point(now.position, now.velocity)
            message.error = _point(now.desired_position - now.position, now.desired_velocity - now.velocity)
            out.publish(message)

    def _mount(self, camera: Camera) -> TransformStamped:
        parent = self._profile.arm.base_frame if camera.link == "world" else camera.link
        return transform_message(parent, self._frames[camera.view], mount(camera))

    def _depth_wanted(self, view: str) -> bool:
        return view in self._depths_out and self._depths_out[view].get_subscription_count() > 0

    def _on_picture(self, stamp: float, view: str, image, depth) -> None:
        header = Header(stamp=to_stamp(stamp), frame_id=self._frames[view])
        if depth is not None:  # before the picture, which makes an observation of what is there
            self._depths_out[view].publish(depth_message(millimetres(depth, 1000.0), header))
        self._images_out[view].publish(image_message(image, header))
        matrix = self._matrices[view].tolist()
        info = CameraInfo(header=header, height=self._size[0], width=self._size[1], distortion_model="plumb_bob")
        info.d, info.k, info.r = [0.0] * 5, matrix, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        info.p = [*matrix[0:3], 0.0, *matrix[3:6], 0.0, *matrix[6:9], 0.0]
        self._infos_out[view].publish(info)
        if view in self._depth_infos_out:
            self._depth_infos_out[view].publish(info)

    def _on_failure(self, error: Exception) -> None:
        if not self.context.ok():
            return  # Ctrl-C has closed the publishers before the threads: no failure
        self._broken = error
        self.get_logger().fatal(f"The simulation has stopped: {type(error).__name__}: {error}")

    def _reset(self, _request, response):
        try:
            self.driver.reset(self._make_scene())
        except WallOSSError as error:
            response.success, response.message = False, str(error)
        else:
            response.success, response.message = True, f"scene of seed {self.value('seed')}"
        return response


def _point(position, velocity) -> JointTrajectoryPoint:
    return JointTrajectoryPoint(positions=position.tolist(), velocities=velocity.tolist())


def main() -> int:
    return run(SimulatedRobotNode, threads=4)


if __name__ == "__main__":
    sys.exit(main())
