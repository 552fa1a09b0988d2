# SPDX-License-Identifier: Apache-2.0
"""The task of one arm: cubes on a table are picked up and put into trays."""
