"""Evidence: from scores to likelihood ratios, and whether to trust them."""
