"""The command that signs a journal, and the options of `verify` that read what it wrote."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tieout.ledger.application import CHECK_FAILED
from tieout.ledger.errors import InvalidNote, UnsoundJournal
from tieout.ledger.terminal import say

if TYPE_CHECKING:
    from tieout.ledger.file.anchor import Witness
    from tieout.ledger.sign.keys import PrivateKey

NOTE_SUFFIX = ".note"
Anchor = Annotated[
    str | None,
    typer.Option(
        metavar="DIGEST",
        help="Head digest or file digest that was noted when the run ended, all 64 digits."
        " Without it a journal whose last blocks were cut off passes.",
    ),
]
Signed = Annotated[
    Path | None,
    typer.Option(metavar="NOTE", help="Note of `tieout sign` that the journal has to agree with."),
]
Pub = Annotated[
    str | None,
    typer.Option(metavar="KEY", help="Public key of the note's signer: the line, or a file with it."),
]


def sign(
    key: Annotated[Path, typer.Option(metavar="FILE", help="Private key to sign with.")],
    run: Annotated[
        Path | None,
        typer.Argument(metavar="RUN.duckdb", help="The journal's file. Omit it to make a key alone."),
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make the key first, in a new file, with --origin as its name.")
    ] = False,
    origin: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="First line of the note: who or what it is about, such as example.com/jane"
            " (default: the name of the key).",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="NOTE", help="New file for the note (default: RUN.duckdb.note).")
    ] = None,
) -> None:
    """Verify a journal, and sign what it holds: blocks, head digest and file digest.

    The note is a checkpoint in the form of C2SP signed notes, with an Ed25519 signature.

    Exit status: 0 ok, 1 a check failed and nothing was signed, 2 could not run.
    """
    from tieout.ledger.file.reader import Reader
    from tieout.ledger.file.verify import verify
    from tieout.ledger.show.progress import progress
    from tieout.ledger.sign import checkpoint, keys

    if run is None and not new_key:
        raise typer.BadParameter("name the journal to sign, or make a key with --new-key")
    pair = _new_key(key, origin) if new_key else keys.read_private(key)
    say(f"public key {pair.public}")
    if run is None:
        return
    path = output or run.with_name(run.name + NOTE_SUFFIX)
    if os.path.lexists(path):
        raise _existing(path)
    with Reader(run, with_catalogue=True) as reader, progress() as step:
        report = verify(reader, None, step)
    try:
        text = checkpoint.sign(report, pair, pair.name if origin is None else origin)
    except UnsoundJournal as error:
        say(f"tieout: {run}: {error}", error=True)
        raise typer.Exit(CHECK_FAILED) from None
    try:
        keys.write_new(path, text)
    except FileExistsError:
        raise _existing(path) from None
    say(f"{path}: {report.blocks} blocks signed by {pair.name}. Hand it on with the journal")
    say(f"head digest {report.head}  file digest {report.file_digest}")


def witness(anchor: str | None, signed: Path | None, pub: str | None) -> "Witness | None":
    """Read what was noted of a journal. The signature of a note is verified before anything else is."""
    from tieout.ledger.file.anchor import parse

    if (signed is None) != (pub is None):
        raise typer.BadParameter(
            "--signed needs --pub, the public key of its signer, and --pub needs --signed"
        )
    if signed is None or pub is None:
        return None if anchor is None else parse(anchor)
    if anchor is not None:
        raise typer.BadParameter("give --anchor or --signed: the note has both digests of the journal")

    from tieout.ledger.sign import checkpoint, keys
    from tieout.ledger.sign.note import LARGEST_NOTE

    key = keys.read_public(pub)
    with signed.open("rb") as file:
        return checkpoint.read(file.read(LARGEST_NOTE + 1), key, str(signed))


def _new_key(path: Path, name: str | None) -> "PrivateKey":
    """Make a pair of keys, and say where each lies and what is to be done with it."""
    from tieout.ledger.sign import keys

    if name is None:
        raise typer.BadParameter("--new-key needs --origin, the name to sign in, such as example.com/jane")
    key = keys.create(path, name)
    say(f"{path}: the private key. Keep it secret, and keep a copy: without it no note can follow")
    say(f"{keys.public_path(path)}: the public key. Hand it on, on another way than the journals")
    return key


def _existing(path: Path) -> InvalidNote:
    return InvalidNote(f"{path} exists and is not overwritten; name another file with --output")
