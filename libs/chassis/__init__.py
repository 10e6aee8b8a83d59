"""What every service needs. The chassis contains no domain logic."""
