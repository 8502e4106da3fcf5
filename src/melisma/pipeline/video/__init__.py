"""A karaoke video: an alignment and its recording → MP4 or WebM."""
