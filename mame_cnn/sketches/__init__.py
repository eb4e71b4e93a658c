"""Small pictures that a trial leaves, drawn with Pillow in milliseconds."""
