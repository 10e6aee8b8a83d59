"""What is a person's in media, for the archive that they take along."""

PICTURES = """
select id as key, json_build_object(
    'id', id, 'file', name, 'content_type', content_type, 'size', size, 'width', width,
    'height', height, 'alt', alt, 'uploaded_at', uploaded_at
)::text as line
from media where owner_id = $1 and id > $2 and removed_at is null order by id limit $3
"""

LISTS = {"pictures": PICTURES}
