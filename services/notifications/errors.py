"""The errors that the notifications API reports to clients."""
