"""What each person reads: a projection of everyone's events, made to be read fast."""
