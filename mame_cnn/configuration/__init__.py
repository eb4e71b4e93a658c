"""What is trained and how, complete and frozen: in memory, as TOML, and from a search's names."""
