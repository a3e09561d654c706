"""Signed notes: a statement of what a journal holds, with the name of who states it.

The note is a checkpoint (https://c2sp.org/tlog-checkpoint) in a signed note (https://c2sp.org/signed-note).
The signature is Ed25519. Other programs that read such notes can read these.
"""
