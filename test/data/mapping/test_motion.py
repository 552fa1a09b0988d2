# SPDX-License-Identifier: Apache-2.0
"""Whatever way a robot's motion was recorded in, the same states and chunks come out: those that control would play."""

import numpy as np
import pytest
from arm_space_support import WAYS, saved
from recorded_support import Drive, Recordings, mapping, profile_of, quaternion
from scipy.spatial.transform import Rotation

from wall_oss_ros.data.mapping.motion import open_motion
from wall_oss_ros.errors import WallOSSError
from wall_oss_ros.robots.kinematics import Arm
from wall_oss_ros.robots.layout import Layout

DRIVE = Drive()
NOW, NEXT = DRIVE.times, DRIVE.times + 1 / DRIVE.fps
JOINTS = {"joints": {"column": "q"}, "gripper": {"column": "hand", "unit": "m"}}
TARGETS = {"joints": {"column": "q_told"}, "gripper": {"column": "hand_told", "unit": "m"}}


def table(**more) -> dict:
    """What was felt at each row, and what the row's command led to: the state at the next."""
    columns = {
        "q": DRIVE.joints(NOW), "q_told": DRIVE.joints(NEXT),
        "hand": DRIVE.opening(NOW), "hand_told": DRIVE.opening(NEXT),
    }  # fmt: skip
    return {name: np.asarray(values, np.float64) for name, values in {**columns, **more}.items()}


def motion(content: dict, columns: dict, profile=None, fps: float = DRIVE.fps):
    profile = profile or profile_of(saved("euler", "relative"))
    dataset = Recordings([columns], fps=fps)
    reader = open_motion(mapping(content), "mine.yaml", dataset, profile)
    return reader.read(dataset.columns(0, reader.names))


def expected(profile, row: int, fps: float = DRIVE.fps, steps: int | None = None):
    """State and chunk of a row, from the drive itself and the layout's own way of writing them."""
    layout, start = Layout(profile), row / fps
    rate, horizon = profile.rate_hz, steps or profile.horizon

    def vector(time):
        return layout.pack(*(one for one in DRIVE.poses(time)), DRIVE.opening(time), DRIVE.joints(time))[0]

    state = vector(start)
    targets = np.array([vector(start + (k + 1) / rate) for k in range(horizon)], float)
    return state, layout.relative(targets, state.astype(float))


@pytest.mark.parametrize("form, mode", WAYS)
def test_joints_become_what_each_layout_takes(form, mode):
    profile = profile_of(saved(form, mode))
    made = motion({"state": {"arms": {"arm": JOINTS}}, "action": {"arms": {"arm": TARGETS}}}, table(), profile)
    assert made.known.all()
    for row in (0, 7, 29):
        state, chunk = expected(profile, row)
        found, known = made.chunks(np.array([row]))
        np.testing.assert_allclose(made.states[row], state, atol=1e-5)
        np.testing.assert_allclose(found[0], chunk, atol=1e-5)
        assert known.all()


POSES = {
    "euler": (lambda r: Rotation.from_matrix(r).as_euler("xyz"), {"form": "euler"}),
    "degrees": (lambda r: Rotation.from_matrix(r).as_euler("ZYX", degrees=True),
                {"form": "euler", "order": "ZYX", "unit": "deg"}),
    "xyzw": (lambda r: -2 * quaternion(r), {"form": "quaternion_xyzw"}),
    "wxyz": (lambda r: np.roll(quaternion(r), 1, -1), {"form": "quaternion_wxyz"}),
    "axis": (lambda r: Rotation.from_matrix(r).as_rotvec(), {"form": "axis_angle"}),
    "columns": (lambda r: np.concatenate([r[..., 0], r[..., 1]], -1), {"form": "6d_columns"}),
    "rows": (lambda r: np.concatenate([r[..., 0, :], r[..., 1, :]], -1), {"form": "6d_rows"}),
    "matrix": (lambda r: r.reshape(len(r), 9), {"form": "matrix"}),
}  # fmt: skip


def pose_content(spec: dict, action: dict | None = None) -> dict:
    arm = {"position": {"column": "xyz", "unit": "mm"}, "rotation": {"column": "turn", **spec}}
    told = {"position": {"column": "xyz_told", "unit": "mm"}, "rotation": {"column": "turn_told", **spec}}
    grip = {"column": "hand", "unit": "m"}, {"column": "hand_told", "unit": "m"}
    return {
        "state": {"arms": {"arm": {**arm, "gripper": grip[0]}}},
        "action": {"arms": {"arm": {**told, "gripper": grip[1], **(action or {})}}},
    }


@pytest.mark.parametrize("kind", POSES)
def test_poses_in_any_form_of_rotation(kind):
    write, spec = POSES[kind]
    (p, r), (p_next, r_next) = DRIVE.poses(NOW), DRIVE.poses(NEXT)
    columns = table(xyz=1000 * p, turn=write(r), xyz_told=1000 * p_next, turn_told=write(r_next))
    profile = profile_of(saved("columns", "relative"))
    made = motion(pose_content(spec), columns, profile)
    state, chunk = expected(profile, 11)
    np.testing.assert_allclose(made.states[11], state, atol=1e-5)
    np.testing.assert_allclose(made.chunks(np.array([11]))[0][0], chunk, atol=1e-5)


@pytest.mark.parametrize("relative", ["state", "step"])
@pytest.mark.parametrize("frame", ["base", "tool"])
@pytest.mark.parametrize("form", ["euler", "columns"])
def test_displacements_lead_to_the_targets_that_they_were_made_of(relative, frame, form):
    """Each row's displacement is from its own state to where the row's command leads: here that of the next row, so
    that both kinds of displacement say the same."""
    (p, r), (p_next, r_next) = DRIVE.poses(NOW), DRIVE.poses(NEXT)
    back = np.swapaxes(r, -1, -2)
    way = p_next - p if frame == "base" else (back @ (p_next - p)[..., None])[..., 0]
    turn = r_next @ back if frame == "base" else back @ r_next
    columns = table(xyz=1000 * p, turn=quaternion(r), xyz_told=1000 * way, turn_told=quaternion(turn))
    profile = profile_of(saved(form, "relative"))
    content = pose_content({"form": "quaternion_xyzw"}, {"relative": relative, "frame": frame})
    made = motion(content, columns, profile)
    for row in (0, 13):
        np.testing.assert_allclose(made.chunks(np.array([row]))[0][0], expected(profile, row)[1], atol=2e-5)


@pytest.mark.parametrize("relative", ["state", "step"])
def test_joints_in_degrees_as_displacements_with_a_turned_sense(relative):
    told = DRIVE.joints(NEXT) - DRIVE.joints(NOW)
    signs = [1, -1, 1, 1, -1, 1, 1]
    columns = table(q=np.degrees(DRIVE.joints(NOW)) * signs, q_told=np.degrees(told) * signs)
    spec = {"unit": "deg", "scale": signs}
    content = {
        "state": {"arms": {"arm": {"joints": {"column": "q", **spec}}}},
        "action": {"arms": {"arm": {"joints": {"column": "q_told", **spec}, "relative": relative}}},
    }
    for form in ("euler", "joints"):
        profile = profile_of(saved(form, "relative"))
        made = motion(content, columns, profile)
        state, chunk = expected(profile, 5)
        gripper = Layout(profile).gripper
        found, known = made.chunks(np.array([5]))
        own = np.arange(len(state)) != gripper
        np.testing.assert_allclose(made.states[5][own], state[own], atol=1e-5)
        np.testing.assert_allclose(found[0][:, own], chunk[:, own], atol=2e-5)
        assert not made.known[:, gripper].any() and not known[..., gripper].any() and known[0][:, own].all()


def test_steps_that_the_arm_did_not_quite_follow_go_out_from_where_it_was():
    """Displacements of steps are played from the observed state, each from the target before."""
    p, r = DRIVE.poses(NOW)
    way = np.tile([0.001, 0.0, 0.0], (len(p), 1))
    columns = table(
        xyz=1000 * p, turn=quaternion(r), xyz_told=1000 * way, turn_told=np.tile([0, 0, 0, 1.0], (len(p), 1))
    )
    content = pose_content({"form": "quaternion_xyzw"}, {"relative": "step"})
    chunk = motion(content, columns).chunks(np.array([10]))[0][0]
    np.testing.assert_allclose(chunk[:, 0], 0.001 * np.arange(1, 11), atol=1e-6)
    state = pose_content({"form": "quaternion_xyzw"}, {"relative": "state"})
    chunk = motion(state, columns).chunks(np.array([10]))[0][0]
    np.testing.assert_allclose(chunk[:, 0], p[10:20, 0] + 0.001 - p[10, 0], atol=1e-6)


@pytest.mark.parametrize("fps", [5.0, 10.0, 20.0, 29.97, 50.0])
@pytest.mark.parametrize("form", ["euler", "columns", "joints"])
def test_rates_are_resampled_to_the_profiles_steps(fps, form):
    drive = Drive(120, fps)
    columns = {
        "q": drive.joints(drive.times), "q_told": drive.joints(drive.times + 1 / fps),
        "hand": drive.opening(drive.times), "hand_told": drive.opening(drive.times + 1 / fps),
    }  # fmt: skip
    profile = profile_of(saved(form, "relative"))
    made = motion({"state": {"arms": {"arm": JOINTS}}, "action": {"arms": {"arm": TARGETS}}}, columns, profile, fps)
    found, known = made.chunks(np.array([20]))
    own = np.arange(found.shape[-1]) != Layout(profile).gripper
    np.testing.assert_allclose(found[0][:, own], expected(profile, 20, fps)[1][:, own], atol=3e-3)
    assert known.all()


def test_angles_and_rotations_are_mixed_the_short_way_and_commands_of_grippers_never():
    around = np.array([3.1, -3.1, -2.9, -2.7])  # through pi
    turns = Rotation.from_euler("z", around[:, None]).as_matrix()
    rows = {
        "xyz": np.zeros((4, 3)), "turn": quaternion(turns),
        "xyz_told": np.zeros((4, 3)), "turn_told": quaternion(turns),
        "hand": np.zeros(4), "hand_told": np.array([0.0, 0.0, 0.08, 0.08]),
    }  # fmt: skip
    profile = profile_of(saved("euler", "absolute"), rate_hz=10.0, horizon=4)
    made = motion(pose_content({"form": "quaternion_xyzw"}), rows, profile, fps=5.0)
    found = made.chunks(np.array([1]))[0][0]  # at rows 0.5, 1, 1.5, 2
    layout = Layout(profile)
    got = [layout.unpack(row)[1] for row in found.astype(float)]
    half = (3.1 + (2 * np.pi - 3.1)) / 2
    wanted = Rotation.from_euler("z", np.array([half, -3.1, -3.0, -2.9])[:, None]).as_matrix()
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    np.testing.assert_allclose(found[:, layout.gripper], [0, 0, 0.08, 0.08], atol=1e-7)


def test_the_end_of_an_episode_is_padded_with_the_last_command_and_masked_step_by_step():
    profile = profile_of(saved("euler", "absolute"))
    made = motion({"state": {"arms": {"arm": JOINTS}}, "action": {"arms": {"arm": TARGETS}}}, table(), profile)
    last = DRIVE.rows - 1
    found, known = made.chunks(np.array([last - 3, last]))
    assert known[..., 0].tolist() == [[True] * 4 + [False] * 6, [True] + [False] * 9]
    np.testing.assert_allclose(found[0, 4:], np.tile(found[0, 3], (6, 1)), atol=1e-7)
    following = motion({"state": {"arms": {"arm": JOINTS}}, "action": "next_state"}, table(), profile)
    found, known = following.chunks(np.array([last - 3, last]))
    assert known[..., 0].tolist() == [[True] * 3 + [False] * 7, [False] * 10]
    early = following.chunks(np.array([4]))[0][0]
    np.testing.assert_allclose(early, expected(profile, 4)[1], atol=1e-5)


def test_what_is_missing_is_masked_and_touches_nothing_else():
    columns = table()
    columns["q"][5], columns["q_told"][8], columns["hand_told"][9] = np.nan, np.nan, np.nan
    profile = profile_of(saved("columns", "relative"))
    made = motion({"state": {"arms": {"arm": JOINTS}}, "action": {"arms": {"arm": TARGETS}}}, columns, profile)
    gripper = Layout(profile).gripper
    arm = np.arange(made.states.shape[1]) != gripper
    assert not made.known[5, arm].any() and made.known[5, gripper] and made.known[4].all() and made.known[6].all()
    found, known = made.chunks(np.array([4, 5]))
    assert np.isfinite(found).all() and np.isfinite(made.states).all()
    assert known[0][:, arm].all(1).tolist() == [True] * 4 + [False] + [True] * 5
    assert known[0][:, gripper].tolist() == [True] * 5 + [False] + [True] * 4
    assert not known[1][:, arm].any(), "where the arm was is not known, so no displacement is"
    assert known[1][:, gripper].sum() == 9


def test_a_step_that_is_missing_ends_what_is_known_of_a_chunk_but_not_of_later_ones():
    told = DRIVE.joints(NEXT) - DRIVE.joints(NOW)
    told[12] = np.nan
    content = {
        "state": {"arms": {"arm": {"joints": {"column": "q"}}}},
        "action": {"arms": {"arm": {"joints": {"column": "q_told"}, "relative": "step"}}},
    }
    made = motion(content, table(q_told=told), profile_of(saved("joints", "relative")))
    known = made.chunks(np.array([10, 12, 13]))[1][..., 0]
    assert known.tolist() == [[True, True] + [False] * 8, [False] * 10, [True] * 10]


@pytest.mark.parametrize("late", [1, 3])
def test_commands_recorded_late_or_states_recorded_late_are_put_right(late):
    profile = profile_of(saved("joints", "relative"))
    content = {"state": {"arms": {"arm": JOINTS}}, "action": {"arms": {"arm": TARGETS}, "delay": late / DRIVE.fps}}
    columns = table(q_told=DRIVE.joints(NEXT - late / DRIVE.fps), hand_told=DRIVE.opening(NEXT - late / DRIVE.fps))
    made = motion(content, columns, profile)
    np.testing.assert_allclose(made.chunks(np.array([9]))[0][0], expected(profile, 9)[1], atol=1e-5)
    content = {"state": {"arms": {"arm": JOINTS}, "delay": late / DRIVE.fps}, "action": {"arms": {"arm": TARGETS}}}
    made = motion(content, table(q=DRIVE.joints(NOW - late / DRIVE.fps), hand=DRIVE.opening(NOW)), profile)
    np.testing.assert_allclose(made.chunks(np.array([9]))[0][0][:, :7], expected(profile, 9)[1][:, :7], atol=1e-5)
    assert not made.known[-late:].any() and made.known[:-late].all()


def test_other_frames_of_base_and_tool():
    (p, r), (p_next, r_next) = DRIVE.poses(NOW), DRIVE.poses(NEXT)
    base = np.eye(4)
    base[:3, :3], base[:3, 3] = Rotation.from_rotvec([0, 0, 0.7]).as_matrix(), [0.1, -0.2, 0.3]
    tool = np.eye(4)
    tool[:3, :3], tool[:3, 3] = Rotation.from_euler("xz", [0.2, -0.8]).as_matrix(), [0, 0, 0.1]

    def recorded(position, rotation):
        pose = np.tile(np.eye(4), (len(position), 1, 1))
        pose[:, :3, :3], pose[:, :3, 3] = rotation, position
        pose = np.linalg.inv(base) @ pose @ np.linalg.inv(tool)
        return pose[:, :3, 3], pose[:, :3, :3]

    frames = {
        "arm": {
            name: {"position": pose[:3, 3].tolist(), "rotation": quaternion(pose[:3, :3]).tolist()}
            for name, pose in {"base": base, "tool": tool}.items()
        }
    }
    (p, r), (p_next, r_next) = recorded(p, r), recorded(p_next, r_next)
    profile = profile_of(saved("columns", "relative"))
    content = {**pose_content({"form": "quaternion_xyzw"}), "frames": frames}
    columns = table(xyz=1000 * p, turn=quaternion(r), xyz_told=1000 * p_next, turn_told=quaternion(r_next))
    made = motion(content, columns, profile)
    np.testing.assert_allclose(made.states[6], expected(profile, 6)[0], atol=1e-5)
    np.testing.assert_allclose(made.chunks(np.array([6]))[0][0], expected(profile, 6)[1], atol=1e-5)
    turn = r_next @ np.swapaxes(r, -1, -2)
    columns |= {"xyz_told": 1000 * (p_next - p), "turn_told": quaternion(turn)}
    content = {**pose_content({"form": "quaternion_xyzw"}, {"relative": "state"}), "frames": frames}
    made = motion(content, columns, profile)
    np.testing.assert_allclose(made.chunks(np.array([6]))[0][0], expected(profile, 6)[1], atol=1e-5)
    content["state"]["arms"]["arm"] = JOINTS  # felt as joints, told as displacements in the recorded frames
    made = motion(content, columns, profile)
    np.testing.assert_allclose(made.chunks(np.array([6]))[0][0], expected(profile, 6)[1], atol=1e-5)


@pytest.mark.parametrize("spec, numbers", [
    ({"closed": 0, "open": 100}, lambda m: 100 * m / 0.08),
    ({"closed": 1, "open": -1}, lambda m: 1 - 2 * m / 0.08),
    ({"closed": [0, 0], "open": [0.04, -0.04]}, lambda m: np.stack([m / 2, -m / 2], -1)),
    ({"unit": "mm"}, lambda m: 1000 * m),
])  # fmt: skip
def test_grippers_in_shares_inverted_as_fingers_or_in_millimetres(spec, numbers):
    opening = DRIVE.opening(NOW)
    content = {"state": {"arms": {"arm": {"gripper": {"column": "hand", **spec}}}}, "action": "next_state"}
    made = motion(content, table(hand=numbers(opening)))
    gripper = Layout(profile_of(saved("euler", "relative"))).gripper
    np.testing.assert_allclose(made.states[:, gripper], opening, atol=1e-6)
    assert made.known.sum(1).tolist() == [1] * DRIVE.rows


@pytest.mark.parametrize("arm, columns, words", [
    ({"joints": {"column": "q"}}, {"q": np.degrees(DRIVE.joints(NOW))}, "arm.joints: number . of q spans .* rad"),
    ({"position": {"column": "p"}}, {"p": 1000 * DRIVE.poses(NOW)[0]}, "arm.position: number 0 of p spans .* m, "),
    ({"rotation": {"column": "r", "form": "euler"}}, {"r": [[180.0, 3.0, -90.0]] * DRIVE.rows}, "rotation: number 0"),
    ({"rotation": {"column": "r", "form": "axis_angle"}}, {"r": [[0.0, 90.0, 0.0]] * DRIVE.rows}, "rotation: number 1"),
])  # fmt: skip
def test_degrees_for_radians_and_millimetres_for_metres_are_refused(arm, columns, words):
    """Forward kinematics would make tool poses of them that look sound."""
    with pytest.raises(WallOSSError, match=words):
        motion({"state": {"arms": {"arm": arm}}, "action": "next_state"}, table(**columns))


def test_a_gripper_that_was_mapped_in_another_unit_is_refused():
    content = {
        "state": {"arms": {"arm": {"gripper": {"column": "hand", "closed": 0, "open": 1}}}},
        "action": "next_state",
    }
    with pytest.raises(WallOSSError, match=r"mine.yaml, field state.arms.arm.gripper: hand spans .* far from closed 0"):
        motion(content, table(hand=100 * DRIVE.opening(NOW) / 0.08))


def test_two_arms_with_head_lift_and_base():
    profile = profile_of("dual_arm:tiago_dual")
    layout = Layout(profile)
    rows = 30
    right, left = profile.arms
    joints = {
        one.arm.name: np.array(one.arm.home) + 0.05 * np.sin(np.arange(rows) / 9)[:, None] for one in profile.arms
    }
    heads = {part.name: np.array(part.home) + 0.01 * np.arange(rows)[:, None] for part in profile.parts}
    column = np.concatenate([joints[left.arm.name], joints[right.arm.name], *heads.values()], 1)
    n, m = len(left.arm.joints), len(right.arm.joints)
    edges = np.cumsum([n + m, *(len(part.joints) for part in profile.parts)])
    velocity = np.tile([0.1, 0.2], (rows, 1))  # ahead and to the left about a circle
    fields = {
        "arms": {left.arm.name: {"joints": {"column": "q", "at": f"0:{n}"}},
                 right.arm.name: {"joints": {"column": "q", "at": f"{n}:{n + m}"}}},
        "parts": {part.name: {"column": "q", "at": f"{a}:{b}"} for part, a, b in zip(profile.parts, edges, edges[1:])},
    }  # fmt: skip
    content = {"state": fields, "action": {**fields, "base": {"velocity": {"column": "base"}}}}
    dataset = Recordings([{"q": column, "base": velocity}], fps=profile.rate_hz)
    reader = open_motion(mapping(content), "mine.yaml", dataset, profile)
    made = reader.read(dataset.columns(0, reader.names))
    found, known = made.chunks(np.array([3]))
    for one, own in zip(profile.arms, layout.arms):
        position, rotation, _ = own.unpack(made.states[3])
        np.testing.assert_allclose(position, Arm(one).fk(joints[one.arm.name][3])[0], atol=1e-5)
        np.testing.assert_allclose(rotation, Arm(one).fk(joints[one.arm.name][3])[1], atol=1e-5)
        assert not known[..., own.gripper].any()
    for part in profile.parts:
        np.testing.assert_allclose(made.states[:, layout.slots[part.dof]], heads[part.name], atol=1e-6)
    base = layout.slots[profile.base.dof]
    yaw = 0.2 * (np.arange(profile.horizon) + 1) / profile.rate_hz
    x = np.cumsum(0.1 / profile.rate_hz * np.cos(yaw - 0.2 / profile.rate_hz))
    np.testing.assert_allclose(found[0][:, base.start], x, atol=1e-6)
    np.testing.assert_allclose(found[0][:, base.stop - 1], yaw, atol=1e-6)
    assert known[0][:, base].all() and not made.known[:, base].any()
