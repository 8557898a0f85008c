"""Cases in and out: VICS both ways; CASE/UCO, rows and reports out. One module a format."""
