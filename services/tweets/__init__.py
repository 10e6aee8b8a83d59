"""Tweets, and the likes of tweets."""
