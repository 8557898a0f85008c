"""`tutela demo`: draws pictures, hides edited copies of some of them, and scans for those."""
