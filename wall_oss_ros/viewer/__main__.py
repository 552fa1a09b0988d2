"""Runs the page's node: ``python -m wall_oss_ros.viewer``."""

import sys

from wall_oss_ros.viewer.node import main

if __name__ == "__main__":
    sys.exit(main())
