"""Estimators: they take feature matrices, never pictures, and follow scikit-learn."""
