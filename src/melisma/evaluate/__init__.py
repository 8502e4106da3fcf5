"""A folder of songs, the pipeline and the metrics give a table."""
