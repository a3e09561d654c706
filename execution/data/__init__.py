"""Market data: bars and features from checked frames, and the terms of instruments."""
