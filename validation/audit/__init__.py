"""The auditor: what any engine or broker exported, booked in a journal and tied to what it claims."""
