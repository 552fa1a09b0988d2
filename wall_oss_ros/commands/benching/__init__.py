# SPDX-License-Identifier: Apache-2.0
"""What ``wall-oss bench`` runs, writes and compares."""
