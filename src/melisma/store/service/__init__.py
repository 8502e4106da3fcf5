"""What the service keeps: songs, alignments with every version of theirs, jobs, receipts, and the files themselves."""
