"""What screens share: cached reads, the refresh, words to the person, tables and forms."""
