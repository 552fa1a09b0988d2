# SPDX-License-Identifier: Apache-2.0
"""The simulated robot at its table: scenes, physics, pictures, a scripted expert.

MuJoCo reads ``MUJOCO_GL`` once, when it is first imported, so the off-screen back-end is chosen here, before any module
of this package imports it.
"""

from wall_oss_ros.sim.opengl import choose_backend

choose_backend()
