"""An evaluation's findings, what it leaves behind, and the ledger of test openings."""
