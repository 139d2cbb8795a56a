"""What people read: the summary on the screen, pages, and the documents made from the code."""
