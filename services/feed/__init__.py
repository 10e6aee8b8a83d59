"""The feeds that people read: a projection of the events of users, tweets and media.

Everything here can be rebuilt from those events, and the feed publishes no events of its own.
"""
