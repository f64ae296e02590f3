"""One module per family: cases() are those whose goldens are committed, random_case(rng) makes a fresh one."""
