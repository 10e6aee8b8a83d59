"""What every service of Warble needs, and no domain."""
