"""What users see and type into: the line face, the full screen and the web desk."""
