"""What Slurm says of the job that this process is part of (sbatch(1), "output environment")."""

import os
from collections.abc import Mapping


def slurm_job(environment: Mapping[str, str] = os.environ) -> dict[str, str | int]:
    """Return job, node and number of restarts, as plain values; nothing outside a job.

    A task of an array is named as `squeue` and `scancel` name it: 4711_3.
    """
    job = environment.get("SLURM_JOB_ID")
    if not job:
        return {}
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    known: dict[str, str | int] = {"slurm_job": f"{array}_{task}" if array and task else job}
    for name, variable in (
        ("slurm_cluster", "SLURM_CLUSTER_NAME"),
        ("slurm_node", "SLURMD_NODENAME"),
        ("slurm_process", "SLURM_PROCID"),
        ("slurm_restarts", "SLURM_RESTART_COUNT"),
    ):
        value = environment.get(variable)
        if value:
            known[name] = int(value) if value.isdecimal() else value
    return known
