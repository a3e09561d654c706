"""Reference strategies, one short file each, and a generated universe to run them on."""
