"""Market data: frames are checked and become bars, features and instruments."""
