"""Who people are: their names, their keys, and whom they follow."""
