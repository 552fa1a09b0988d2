# SPDX-License-Identifier: Apache-2.0
"""Work of fixed shape on fixed buffers, done again and again: recorded as CUDA graphs where there is a GPU.

A decoder layer is twenty small kernels; launching them one by one takes a GPU's driver longer than running them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch

from wall_oss_ros.errors import WallOSSError

Work = Callable[[], "torch.Tensor | None"]


class GraphCache:
    """Remembers work by its key.

    Work takes nothing and reads buffers that stay where they are, so doing the first work of a key again, with new
    contents in the buffers, is the same as doing the next. On a GPU the second time records a graph (the first has set
    libraries up), and from then on only the graph runs. Elsewhere the first work is simply called again: whatever it
    wrongly holds on to shows on any machine.
    """

    def __init__(self, capture: Callable[[Work], Work] | None, limit: int = 256):
        """
        Args:
            capture: turns work into something that repeats it; None to call the work itself.
            limit: keys to remember; the oldest make room.
        """
        self._capture, self._limit = capture, limit
        self._known: dict[Hashable, tuple[Work, bool]] = {}  # work, and whether it was captured

    @property
    def captures(self) -> bool:
        """Whether work is recorded."""
        return self._capture is not None

    def run(self, key: Hashable, work: Work) -> torch.Tensor | None:
        """Does the work of this key. What it returns stays valid until the next run of the same key."""
        if key not in self._known:
            if len(self._known) >= self._limit:
                self._known.pop(next(iter(self._known)))
            self._known[key] = (work, False)
            return work()
        known, captured = self._known[key]
        if self._capture is not None and not captured:
            known = self._capture(known)
            self._known[key] = (known, True)
        return known()

    def clear(self) -> None:
        """Forgets everything: the buffers have moved."""
        self._known.clear()


class CudaCapture:
    """Records CUDA graphs that share one pool of memory. Written for, but not yet tried on, a GPU."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        try:
            with torch.cuda.graph(graph, pool=self._pool):
                result = work()
        except RuntimeError as error:
            raise WallOSSError(
                f"A CUDA graph could not be recorded: {error}.", "Build the policy with accelerate=False."
            ) from error

        def replay() -> torch.Tensor | None:
            graph.replay()
            return result

        return replay
