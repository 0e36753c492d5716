"""Terminal tables, Markdown pages and the HTML page of results."""
