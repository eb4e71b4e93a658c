"""Why a network answers as it does: where its evidence lies, and what its layers see."""
