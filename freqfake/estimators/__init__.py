"""Estimators on feature matrices."""
