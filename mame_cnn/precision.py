"""In which type networks compute: bfloat16 where the hardware has it, else float32.

Weights, gradients, dense layers, losses and update rules stay in float32 either way; bfloat16 is
what convolutions and the layers between them read and write. `python -m benchmarks.precision`
checks what that does to accuracy. The choice follows from the hardware alone, not from a
measurement, whose noise would make the same command give other numbers.

float32 is what torch makes of it: on GPUs since Ampere its convolutions round their inputs to 10
bits of mantissa (TF32) unless `torch.backends.cudnn.conv.fp32_precision` is set to `ieee`.
"""

import torch

from commands.errors import UserError

PRECISIONS = ("auto", "float32", "bfloat16")
"""The names, default first."""

_CPU_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
"""Any of these makes bfloat16 native; without, a CPU computes it slower than float32."""


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the type called `auto`, `float32` or `bfloat16`.

    Raises `UserError` for another name, and for bfloat16 on a device that lacks it.
    """
    if name not in PRECISIONS:
        raise UserError(f"--precision {name}: expected {', '.join(PRECISIONS)}")
    is_native = _has_bfloat16(device)
    if name == "bfloat16" and not is_native:
        looked_for = f" ({' or '.join(_CPU_INSTRUCTIONS)})" if device.type == "cpu" else ""
        raise UserError(
            f"--precision bfloat16: {device} has no instructions for it{looked_for} and would be "
            "slower than with float32; choose auto or float32"
        )
    return torch.bfloat16 if is_native and name != "float32" else torch.float32


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(instruction, False) for instruction in _CPU_INSTRUCTIONS)
