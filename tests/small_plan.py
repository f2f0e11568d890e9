"""A small plan of the default model's training, and how many pictures each source has."""

PLAN = """
max_fpr = 0.2
copies = 1
copies_of_prepared = 1
parts = [["pairs", "faces"], ["others"], ["scenes"]]
[kinds]
"first" = ["pairs"]
"second" = ["loose"]
[pairs]
names = ["pairs"]
[more_copies]
others = 2
[prepared]
scenes = 2
[squares]
scenes = 2
[titles]
"fake, loose" = "loose ones"
"""
SIZES = {
    ("real", "pairs"): 8,
    ("real", "faces"): 4,
    ("real", "others"): 8,
    ("real", "scenes"): 4,
    ("fake", "pairs"): 8,
    ("fake", "loose"): 12,
}
