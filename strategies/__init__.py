"""Reference strategies, one short file each, and a generated universe to try them on."""
