"""The fills of another engine or a broker, booked as a journal."""
