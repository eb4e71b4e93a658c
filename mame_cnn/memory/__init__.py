"""How much memory training needs, how much there is, and what is said where it is too little."""
