"""The most memory that a process has had: of a GPU's where it computes on one, else of its own."""

import resource

import torch


def peak_mib(device: torch.device, n_children: int = 0) -> float:
    """Return MiB; of children the largest is known, and counted for each.

    What they share with this process counts each time.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    own, children = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (own + n_children * children) / 1024
