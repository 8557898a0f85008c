"""Where media lie: folders, archives and disk images, read without being changed."""
