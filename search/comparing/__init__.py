"""What a study's trials tell: which differences are real, what mattered, what it cost."""
