"""How each family of networks is built for T members at once, one file a family."""
