"""What people say: their tweets, and who likes them."""
