// Finds at once that it cannot start.
process.exit(2)
