"""What concerns each person: notifications, and live updates of what is on their screen.

Most of it is a projection of the events of other services. In addition the service stores what
only its own clients decide: settings, muted and followed threads, and what a person has seen. It
publishes no events.
"""
