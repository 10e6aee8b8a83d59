"""What Warble is made of that others wrote, and what must not be in it: audit, bill of materials,
licences, and a look for secrets."""
