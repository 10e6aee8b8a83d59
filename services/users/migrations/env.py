from chassis.database import run_migrations

run_migrations()
