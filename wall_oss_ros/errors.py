# SPDX-License-Identifier: Apache-2.0
"""The one exception that a user is meant to read."""


class WallOSSError(Exception):
    """Something the user can put right.

    Args:
        message: what was wrong and what was expected, one sentence.
        hint: what to do about it, one sentence; may be empty.
    """

    def __init__(self, message: str, hint: str = ""):
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
