# SPDX-License-Identifier: Apache-2.0
"""Latency of camera images between two processes.

One process publishes rgb8 images at a steady rate, this one receives them. The latency is from just before publish()
to the decoded message in the callback, so it includes encoding, transport and decoding. Runs on the embedded library,
or on the real rclpy where that is installed.

    python benchmarks/image_latency.py --seconds 10
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wall_oss_ros.embedded import auto  # isort: skip  puts the embedded library in place where ROS 2 is missing

import numpy as np
import result_form

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

TOPIC = "/benchmark/image_raw"
WARM_UP = 10  # images left out of the figures: discovery and first use


def publish(args: argparse.Namespace) -> None:
    """The other process: publishes until it is told to stop. The stamp is the monotonic clock, one for the machine."""
    rclpy.init(args=[])
    node = rclpy.create_node("image_source")
    publisher = node.create_publisher(Image, TOPIC, qos_profile_sensor_data)
    image = Image(height=args.height, width=args.width, encoding="rgb8", step=3 * args.width)
    pixels = np.random.default_rng(0).integers(0, 256, args.height * args.width * 3, dtype=np.uint8)
    image.data = pixels.tobytes()

    def tick() -> None:
        now = time.monotonic_ns()
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(now, 10**9)
        publisher.publish(image)

    node.create_timer(1.0 / args.rate, tick)
    try:
        rclpy.spin(node)
    except (ExternalShutdownException, KeyboardInterrupt):
        pass


def measure(args: argparse.Namespace) -> int:
    """Receives for the time asked and prints the figures; 1 if nothing arrived."""
    rclpy.init(args=[])
    node, latencies = rclpy.create_node("image_sink"), []

    def receive(image: Image) -> None:
        now = time.monotonic_ns()
        latencies.append((now - image.header.stamp.sec * 10**9 - image.header.stamp.nanosec) / 1e6)

    node.create_subscription(Image, TOPIC, receive, qos_profile_sensor_data)
    source = subprocess.Popen([sys.executable, __file__, "--publish", *sys.argv[1:]])
    try:
        deadline = time.monotonic() + 60.0
        while len(latencies) < WARM_UP and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=0.1)
        executor = rclpy.get_global_executor()
        executor.add_node(node)
        latencies.clear()
        end = time.monotonic() + args.seconds
        while time.monotonic() < end:
            executor.spin_once(timeout_sec=0.1)
    finally:
        source.terminate()
        source.wait()
    if not latencies:
        print("no image arrived")
        return 1
    library = "embedded library" if auto.IN_USE else f"rclpy on {rclpy.get_rmw_implementation_identifier()}"
    expected = args.seconds * args.rate
    load = os.getloadavg()[0]
    print(f"{args.width}x{args.height} rgb8 at {args.rate:g} Hz, {library}, {platform.machine()}, "
          f"{os.cpu_count()} CPUs, load {load:.1f}")  # fmt: skip
    print(f"received {len(latencies)} of about {expected:.0f}")
    print(f"latency ms: median {np.median(latencies):.2f}  p99 {np.percentile(latencies, 99):.2f}  "
          f"min {min(latencies):.2f}  max {max(latencies):.2f}")  # fmt: skip
    if args.json:
        figures = {f"latency at {args.width} x {args.height}": result_form.figure(latencies, "ms")}
        result_form.write(args.json, figures, library=library, received=len(latencies), expected=expected)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (default 10)")
    parser.add_argument("--rate", type=float, default=30.0, help="images per second (default 30)")
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--publish", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.publish:
        publish(args)
        return 0
    return measure(args)


if __name__ == "__main__":
    sys.exit(main())
