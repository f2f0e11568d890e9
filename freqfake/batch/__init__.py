"""Many pictures at a time: their features, processes and clusters, tables."""
