"""The feeds that people read: a projection of the events of users and tweets, built for fast reads.

Everything here can be rebuilt from those events, and the feed publishes no events of its own.
"""
