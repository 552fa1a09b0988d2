"""A robot at its table: physics, sensors, ground truth, and teleports for training pictures."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.profile import RobotProfile, load_profile
from wall_oss_ros.sim import scene
from wall_oss_ros.sim.render import Renderer
from wall_oss_ros.sim.scene import CUBE_SIZE, TRAY_INNER, TRAY_WALL, SceneSpec

IMAGE_SIZE = 112  # pixels
_HELD_OPENING = (0.034, 0.0435)  # m: what the opening reads when a cube is between the fingers
_HELD_OFFSET = (0.028, 0.012, 0.025)  # m, how far a held cube's centre may be from the TCP, in the tool's axes


class Simulator:
    """One robot with n joints, one table. Positions in the robot's base frame (m), joints in rad, openings in m, time in s.

    Rendering must happen in one thread (see ``render.Renderer``); physics may run in another if the caller locks.

    Args:
        spec: what stands on the table.
        profile: the robot's; the Franka's when None.

    Attributes:
        home: (n,) where the arm is after a reset.
        open: the widest opening of the gripper, also after a reset.
    """

    def __init__(self, spec: SceneSpec, profile: RobotProfile | None = None):
        profile = profile or load_profile("franka")
        self.model = scene.build_model(spec, profile)
        self.data = mujoco.MjData(self.model)
        arm = [self.model.joint(name) for name in profile.arm.joints]
        fingers = [self.model.joint(name) for name in profile.simulation.fingers.joints]
        self._arm_q, self._arm_v = (np.array([getattr(j, k)[0] for j in arm]) for k in ("qposadr", "dofadr"))
        self._fingers_q, self._fingers_v = (np.array([getattr(j, k)[0] for j in fingers]) for k in ("qposadr", "dofadr"))
        self._arm_ctrl = slice(0, len(arm))
        self._fingers_ctrl = slice(len(arm), len(arm) + len(fingers))
        self._tcp = self.model.body(profile.arm.tcp_frame).id
        servos = profile.simulation.servos
        self._stiffness, self._damping = np.array(servos.stiffness), np.array(servos.damping)
        self._speed = profile.simulation.fingers.speed
        self._closed, self.open = profile.gripper.closed, profile.gripper.open
        self.home = np.array(profile.start)
        self._views = tuple(view.name for view in profile.views)
        self._renderers: dict[tuple[int, int], Renderer] = {}
        self.reset(spec)

    def reset(self, spec: SceneSpec | None = None) -> None:
        """Robot at home with an open gripper, cubes on the table, time 0. Without a spec, the same scene again."""
        if spec is not None:
            cubes = (self.model.nq - len(self._arm_q) - len(self._fingers_q)) // 7
            if len(spec.cubes) != cubes:
                raise ValueError(f"the model has {cubes} cubes, the scene has {len(spec.cubes)}")
            self.spec = spec
        mujoco.mj_resetData(self.model, self.data)
        scene.apply(self.model, self.spec)
        scene.place_cubes(self.model, self.data, self.spec)
        self.place_robot(self.home, self.open)

    # Commands

    def set_joint_targets(self, q, qd=None) -> None:
        """What the arm's servos hold from now on: joint positions (n,) rad, optionally velocities (n,) rad/s.

        The velocity takes the servos' damping off a moving target, so that it is followed without a lag.
        """
        q = np.asarray(q, float)
        if q.shape != self.home.shape or not np.isfinite(q).all():
            raise ValueError(f"joint targets must be {len(self.home)} finite numbers, not {q}")
        lead = 0.0 if qd is None else np.asarray(qd, float) * self._damping / self._stiffness
        self.data.ctrl[self._arm_ctrl] = q + lead

    def set_gripper(self, width: float) -> None:
        """Where the gripper goes, at its own speed: opening between the fingers, clipped to what it can do."""
        if not math.isfinite(width):
            raise ValueError(f"the gripper's opening must be finite, not {width}")
        self._gripper_target = min(max(float(width), self._closed), self.open)

    def step(self, dt: float) -> None:
        """Advances physics by ``dt``, rounded to whole timesteps (at least one)."""
        steps = max(1, round(dt / self.model.opt.timestep))
        each = self._speed * self.model.opt.timestep
        for _ in range(steps):
            self._gripper_command += min(max(self._gripper_target - self._gripper_command, -each), each)
            self.data.ctrl[self._fingers_ctrl] = self._gripper_command / 2
            mujoco.mj_step(self.model, self.data)
        # mj_step leaves poses one step behind the joints; what is read or drawn next should agree with them.
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    # Sensors

    @property
    def time(self) -> float:
        """Simulated time since the reset."""
        return float(self.data.time)

    @property
    def q(self) -> np.ndarray:
        """Arm joint positions (n,)."""
        return self.data.qpos[self._arm_q]

    @property
    def qd(self) -> np.ndarray:
        """Arm joint velocities (n,)."""
        return self.data.qvel[self._arm_v]

    @property
    def gripper_width(self) -> float:
        """Opening between the fingers."""
        return float(self.data.qpos[self._fingers_q].sum())

    @property
    def gripper_speed(self) -> float:
        """Rate of change of the opening, m/s."""
        return float(self.data.qvel[self._fingers_v].sum())

    @property
    def tcp(self) -> tuple[np.ndarray, np.ndarray]:
        """The tool centre point: position (3,) and rotation (3, 3) in the base frame."""
        return self.data.xpos[self._tcp].copy(), self.data.xmat[self._tcp].reshape(3, 3).copy()

    def render(self, view: str, height: int = IMAGE_SIZE, width: int = IMAGE_SIZE) -> np.ndarray:
        """A camera's picture, (height, width, 3) uint8 RGB. Views: those of the profile."""
        if view not in self._views:
            raise WallOSSError(f"The simulation has no view {view!r}; it has {', '.join(self._views)}.", "Correct the name.")
        if (height, width) not in self._renderers:
            self._renderers[height, width] = Renderer(self.model, height, width)
        return self._renderers[height, width].render(self.data, view)

    def camera(self, view: str) -> dict:
        """``fov`` (vertical, rad), ``position`` (3,) and ``rotation`` (3, 3) in the base frame, optical axes (z forward)."""
        index = self.model.camera(view).id
        rotation = self.data.cam_xmat[index].reshape(3, 3) * (1, -1, -1)  # MuJoCo looks along -z with y up
        return {
            "fov": math.radians(self.model.cam_fovy[index]),
            "position": self.data.cam_xpos[index].copy(),
            "rotation": rotation,
        }

    def project(self, view: str, point, height: int = IMAGE_SIZE, width: int = IMAGE_SIZE) -> np.ndarray:
        """Where a point (3,) of the base frame appears in a view: (2,) pixels, x right and y down from the upper left.

        It may lie outside the picture or behind something; a point behind the camera gives NaN.
        """
        camera = self.camera(view)
        x, y, z = camera["rotation"].T @ (np.asarray(point, float) - camera["position"])
        if z <= 0:
            return np.full(2, np.nan)
        focal = height / 2 / math.tan(camera["fov"] / 2)
        return np.array([width / 2 + focal * x / z, height / 2 + focal * y / z])

    # Ground truth

    def cubes(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Each cube's centre (3,) and quaternion (x, y, z, w), by colour."""
        poses = {}
        for index, colour in enumerate(self.spec.colours):
            pose = self.data.joint(f"cube{index}").qpos
            poses[colour] = (pose[:3].copy(), pose[[4, 5, 6, 3]].copy())
        return poses

    def held(self) -> str | None:
        """The colour of the cube between the fingers, or None."""
        if not _HELD_OPENING[0] < self.gripper_width < _HELD_OPENING[1]:
            return None
        position, rotation = self.tcp
        for colour, (centre, _) in self.cubes().items():
            if (np.abs(rotation.T @ (centre - position)) < _HELD_OFFSET).all():
                return colour
        return None

    def where(self, colour: str) -> str:
        """"gripper", "left tray", "right tray" or "table" for the cube of that colour."""
        if self.held() == colour:
            return "gripper"
        centre = self.cubes()[colour][0]
        for tray in self.spec.trays:
            inside = max(abs(centre[0] - tray.x), abs(centre[1] - tray.y)) < TRAY_INNER / 2
            if inside and 0 < centre[2] < CUBE_SIZE + TRAY_WALL:
                return f"{tray.side} tray"
        return "table"

    # Teleports

    def place_robot(self, q, width: float) -> None:
        """Puts the robot there at rest, without physics: joints (n,), opening. The servos hold it there."""
        self.data.qpos[self._arm_q] = q
        self.data.qpos[self._fingers_q] = width / 2
        self.data.qvel[self._arm_v] = self.data.qvel[self._fingers_v] = 0
        self.data.ctrl[self._arm_ctrl] = q
        self.data.ctrl[self._fingers_ctrl] = width / 2
        self._gripper_target = self._gripper_command = float(width)
        mujoco.mj_forward(self.model, self.data)

    def place_cube(self, colour: str, position, yaw: float = 0.0) -> None:
        """Puts a cube's centre at ``position`` (3,), at rest, without physics."""
        joint = self.data.joint(f"cube{self.spec.colours.index(colour)}")
        joint.qpos[:] = (*position, math.cos(yaw / 2), 0, 0, math.sin(yaw / 2))
        joint.qvel[:] = 0
        mujoco.mj_forward(self.model, self.data)

    def hold(self, colour: str, offset=(0.0, 0.0, 0.0)) -> None:
        """Puts the cube between the fingers, which close on it. ``offset`` (3,): the cube's centre from the TCP, m."""
        self.data.qpos[self._fingers_q] = CUBE_SIZE / 2
        self.data.ctrl[self._fingers_ctrl] = 0.0
        self._gripper_target = self._gripper_command = 0.0
        position, rotation = self.tcp
        yaw = math.atan2(rotation[1, 0], rotation[0, 0])
        self.place_cube(colour, position + np.asarray(offset), yaw)

    def observation(self, profile):
        """What the robot's sensors say now, as the policy takes it.

        Args:
            profile: the ``RobotProfile``, for its views and state layout.

        Returns:
            ``policy.observation.Observation`` with pictures of ``IMAGE_SIZE``.
        """
        from wall_oss_ros.policy.observation import Observation
        from wall_oss_ros.robots.layout import Layout

        layout = Layout(profile)
        state, mask = layout.pack(*self.tcp, self.gripper_width)
        images = {view.name: self.render(view.name) for view in profile.views}
        return Observation(stamp=self.time, images=images, state=state, state_mask=mask)

    def close(self) -> None:
        """Frees the renderers."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
