# SPDX-License-Identifier: Apache-2.0
"""How long `wall-oss data from-bag` takes a GB, and how much memory: two cameras of 640x480 at 30 Hz, an arm at 100 Hz.

The bag is written first, by rosbags: pictures of moving noise over a scene, so that videos have something to encode.

    python benchmarks/bag_conversion.py --gigabytes 1
    python benchmarks/bag_conversion.py --gigabytes 1 --fps 30 --compressed
"""

from __future__ import annotations

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from rosbags.rosbag2 import StoragePlugin, Writer

from wall_oss_ros.data.bags.types import known_types
from wall_oss_ros.robots.profile import load_profile

HEIGHT, WIDTH, CAMERA_HZ, JOINT_HZ, COMMAND_HZ = 480, 640, 30, 100, 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of the bag (default: %(default)s)")
    parser.add_argument("--fps", type=float, default=10.0, help="of the dataset (default: %(default)s)")
    parser.add_argument("--compressed", action="store_true", help="pictures as JPEG, as compressed topics have them")
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bag, out = Path(folder, "bag"), Path(folder, "out")
        seconds = write(bag, args.gigabytes * 1e9, args.compressed, StoragePlugin[args.storage.upper()])
        size = sum(file.stat().st_size for file in bag.iterdir())
        print(f"bag: {size / 1e9:.2f} GB, {seconds:.0f} s of recording, {args.storage}", flush=True)
        command = ["data", "from-bag", str(bag), "--robot", "franka", "--output", str(out), "--fps", str(args.fps)]
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "wall_oss_ros.commands.main", *command], check=True)
        took = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        dataset = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    said = f"{took:.1f} s: {took / (size / 1e9):.1f} s a GB; at most {memory:.2f} GB of memory"
    print(f"{said}; dataset {dataset / 1e6:.1f} MB")
    return 0


def write(path: Path, size: float, compressed: bool, storage: StoragePlugin) -> float:
    """Writes a bag of about so many bytes; returns how many seconds it lasts."""
    profile, types = load_profile("franka"), known_types({})
    time_of, kinds = types.types["builtin_interfaces/msg/Time"], types.types
    rng = np.random.default_rng(0)
    scene = (np.indices((HEIGHT, WIDTH)).sum(0) // 4 % 256).astype(np.uint8)
    scene = np.stack([scene, 255 - scene, scene], axis=-1)
    names = [*profile.arm.joints, *profile.gripper.joints]
    written, step = 0, 0
    with Writer(path, version=9, storage_plugin=storage) as writer:

        def connect(topic: str, kind: str):
            return writer.add_connection(topic, kind, typestore=types), kind

        kind = "sensor_msgs/msg/CompressedImage" if compressed else "sensor_msgs/msg/Image"
        end = "/compressed" if compressed else ""
        views = [connect(view.image_topic + end, kind) for view in profile.views]
        joints = connect(profile.joint_states, "sensor_msgs/msg/JointState")
        commands = connect(profile.command.topic, "trajectory_msgs/msg/JointTrajectory")
        gripper = connect("/wall_oss/gripper_commands", "sensor_msgs/msg/JointState")
        words = connect("/wall_oss/instruction", "std_msgs/msg/String")

        def put(connection, now: float, message) -> None:
            nonlocal written
            data = types.serialize_cdr(message, connection[1])
            written += len(data)
            writer.write(connection[0], round(now * 1e9), data)

        def header(now: float):
            stamp = time_of(sec=int(now), nanosec=round(now % 1 * 1e9) % 10**9)
            return kinds["std_msgs/msg/Header"](stamp=stamp, frame_id="")

        def state(now: float, joints: list[str], positions: list[float]):
            return kinds["sensor_msgs/msg/JointState"](
                header=header(now), name=joints, position=np.array(positions), velocity=nothing, effort=nothing
            )

        nothing = np.zeros(0)
        put(words, 1.0, kinds["std_msgs/msg/String"](data="put the red cube in the left tray"))
        rate = 300  # steps a second, of which each stream takes its share
        while written < size:
            now = 1.0 + step / rate
            where = np.array(profile.arm.home) + 0.2 * np.sin(now)
            if step % (rate // CAMERA_HZ) == 0:
                for index, view in enumerate(views):
                    pixels = np.roll(scene, (2 * step // 10, step // 10), (0, 1))
                    pixels[100:200, 40 * index : 40 * index + 100] = rng.integers(0, 256, (100, 100, 3), np.uint8)
                    put(view, now, picture(kinds, header(now), pixels, compressed))
            if step % (rate // JOINT_HZ) == 0:
                put(joints, now, state(now, names, [*where, 0.02, 0.02]))
            if step % (rate // COMMAND_HZ) == 0:
                points = [
                    kinds["trajectory_msgs/msg/JointTrajectoryPoint"](
                        positions=where, velocities=nothing, accelerations=nothing, effort=nothing,
                        time_from_start=kinds["builtin_interfaces/msg/Duration"](sec=0, nanosec=20_000_000 * (k + 1)),
                    )
                    for k in range(10)
                ]  # fmt: skip
                told = kinds["trajectory_msgs/msg/JointTrajectory"](
                    header=header(now), joint_names=list(profile.arm.joints), points=points
                )
                put(commands, now, told)
            if step == 0:
                put(gripper, now, state(now, list(profile.gripper.joints), [0.02, 0.02]))
            step += 1
    return step / rate


def picture(kinds, header, pixels: np.ndarray, compressed: bool):
    if compressed:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=85)
        data = np.frombuffer(file.getvalue(), np.uint8)
        return kinds["sensor_msgs/msg/CompressedImage"](header=header, format="jpeg", data=data)
    return kinds["sensor_msgs/msg/Image"](
        header=header, height=HEIGHT, width=WIDTH, encoding="rgb8", is_bigendian=0, step=3 * WIDTH, data=pixels.ravel()
    )


if __name__ == "__main__":
    sys.exit(main())
