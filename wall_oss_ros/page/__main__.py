# SPDX-License-Identifier: Apache-2.0
"""Runs the page's node: ``python -m wall_oss_ros.page``."""

import sys

from wall_oss_ros.page.node import main

if __name__ == "__main__":
    sys.exit(main())
