"""One parameter for each block of a network, as far as there are blocks."""

from dataclasses import replace

from commands.errors import UserError
from search.space.conditions import When
from search.space.parameters import Choice, Float, Int, Parameter


def per_block(
    parameter: Parameter, depth: str = "depth", *, up_to: int, grow: float = 1.0
) -> tuple[Parameter, ...]:
    """Return one parameter a block, each existing where its block does.

    `l2` becomes `l2_1`, and `l2_2` that exists from depth 2 on, and so forth `up_to` a number.
    Low and high are multiplied by `grow` from one block to the next; a step stays as it is.
    """
    if isinstance(parameter, Choice) and grow != 1:
        raise UserError(f"{parameter.name}: a choice has no range that could grow by {grow}")
    blocks: list[Parameter] = []
    for block in range(1, up_to + 1):
        exists = () if block == 1 else (When(depth, at_least=block),)
        row = replace(
            parameter, name=f"{parameter.name}_{block}", when=(*parameter.conditions, *exists)
        )
        factor = grow ** (block - 1)
        if isinstance(row, Float):
            # 12 digits: a factor of 10 shall give 1e-05 and not 9.999999999999999e-06.
            low, high = (float(f"{end * factor:.12g}") for end in (row.low, row.high))
            row = replace(row, low=low, high=high)
        elif isinstance(row, Int):
            row = replace(row, low=round(row.low * factor), high=round(row.high * factor))
        blocks.append(row)
    return tuple(blocks)
