"""The judge reports each kind of violation, as strace logs it, and nothing that a call names."""

import sys
from pathlib import Path

import pytest

from tieout.ledger.file import doctor
from tieout.validation.evidence.author import judge, strace
from tieout.validation.evidence.author.drivers import Invocation
from tieout.validation.evidence.author.judge import Allowed, Violation
from tieout.validation.evidence.author.texts import CANARY

CALL = Invocation("export", ("/a/books.duckdb",), ("/a/books.duckdb",), ("/a/out",))
ALLOWED = Allowed(("/programs",), ("/scratch",))


def kinds(*lines: str, call: Invocation = CALL) -> list[str]:
    events = strace.parsed(f"7 {line}" for line in lines)
    return [violation.kind for violation in judge.judged(events, call, ALLOWED)]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("write", 'openat(AT_FDCWD</b>, "x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3</b/x>'),
        ("write", 'openat(AT_FDCWD</b>, "/a/books.duckdb", O_RDWR|O_CLOEXEC) = 3</a/books.duckdb>'),
        ("write", 'openat(AT_FDCWD</b>, "/c/x", O_WRONLY|O_CREAT, 0666) = -1 EACCES (Permission denied)'),
        ("write", 'creat("/c/x", 0666) = 3</c/x>'),
        ("write", 'openat(AT_FDCWD</b>, "/a/outside", O_WRONLY|O_CREAT, 0666) = 3</a/outside>'),
        ("write", 'openat(AT_FDCWD</b>, "/a/out/../x", O_WRONLY|O_CREAT, 0666) = -1 ENOENT (No such file)'),
        ("write", 'openat(AT_FDCWD</b>, "/a/out/link", O_WRONLY) = 3</etc/passwd>'),
        ("write", 'mkdir("/c/x", 0777) = 0'),
        ("write", 'unlink("/a/books.duckdb") = 0'),
        ("write", 'rename("/a/out/x", "/c/x") = 0'),
        ("write", 'symlink("/a/out/x", "/c/x") = 0'),
        ("write", 'unlinkat(5</c>, "x", 0) = 0'),
        ("write", 'truncate("/c/x", 0) = 0'),
        ("read", 'openat(AT_FDCWD</b>, "secret.csv", O_RDONLY|O_CLOEXEC) = 3</b/secret.csv>'),
        ("read", 'openat(AT_FDCWD</b>, "/etc/hostname", O_RDONLY) = 3</etc/hostname>'),
        ("read", 'openat(AT_FDCWD</b>, "/proc/self/environ", O_RDONLY) = 3</proc/7/environ>'),
        ("read", 'openat(AT_FDCWD</b>, "/proc/self/mem", O_RDONLY) = 3</proc/7/mem>'),
        ("read", 'openat(AT_FDCWD</b>, ".", O_RDONLY|O_DIRECTORY) = 3</b>'),
        ("read", 'openat(AT_FDCWD</b>, "/a/other.duckdb", O_RDONLY) = 3</a/other.duckdb>'),
        (
            "read",
            'openat(AT_FDCWD</b>, "/a/books.duckdb2", O_RDONLY) = -1 ENOENT (No such file or directory)',
        ),
        ("read", r'openat(AT_FDCWD</b>, "a\n\33[2J", O_RDONLY) = 3</b/a\n\33[2J>'),
        ("import", 'openat(AT_FDCWD</b>, "/b/duckdb.py", O_RDONLY|O_CLOEXEC) = 3</b/duckdb.py>'),
        ("import", 'openat(AT_FDCWD</b>, "/b/x.so", O_RDONLY|O_CLOEXEC) = 3</b/x.so>'),
        ("execve", 'execve("/bin/sh", ["sh", "-c", "true"], 0x7f /* 9 vars */) = 0'),
        ("execve", 'execveat(3</bin/sh>, "", ["sh"], 0x7f /* 9 vars */, AT_EMPTY_PATH) = 0'),
        ("connect", "connect(3<TCP:[1]>, {sa_family=AF_INET, sin_port=htons(9)}, 16) = -1 ECONNREFUSED (no)"),
        ("connect", 'sendto(3<UDP:[1]>, "x", 1, 0, {sa_family=AF_INET}, 16) = 1'),
        ("connect", "io_uring_setup(8, {flags=0}) = 3<anon_inode:[io_uring]>"),
    ],
)
def test_a_planted_violation_is_reported(kind: str, line: str) -> None:
    assert [kind] == kinds(line)


@pytest.mark.parametrize(
    "line",
    [
        'openat(AT_FDCWD</b>, "/a/books.duckdb", O_RDONLY|O_CLOEXEC) = 3</a/books.duckdb>',
        'openat(AT_FDCWD</b>, "/a/books.duckdb.wal", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD</b>, "/a", O_RDONLY|O_CLOEXEC|O_DIRECTORY) = 3</a>',
        'openat(AT_FDCWD</b>, "/a/out/x", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3</a/out/x>',
        'openat(AT_FDCWD</b>, "/programs/lib/x.py", O_RDONLY) = 3</programs/lib/x.py>',
        'openat(AT_FDCWD</b>, "/dev/null", O_RDWR) = 3</dev/null>',
        'openat(AT_FDCWD</b>, "/proc/self/maps", O_RDONLY) = 3</proc/7/maps>',
        'mkdir("/scratch/x", 0700) = 0',
        'stat("/etc/shadow", {st_mode=S_IFREG|0640}) = 0',
        "socket(AF_UNIX, SOCK_STREAM, 0) = 3",
        "exit_group(0) = ?",
    ],
)
def test_what_a_call_needs_is_no_violation(line: str) -> None:
    assert [] == kinds(line)


def test_a_call_that_another_thread_interrupts_is_read_whole() -> None:
    lines = [
        'openat(AT_FDCWD</b>, "secret.csv", O_RDONLY <unfinished ...>',
        "close(4) = 0",
        "<... openat resumed>) = 3</b/secret.csv>",
    ]

    assert ["read"] == kinds(*lines)


def test_a_call_that_never_returns_counts() -> None:
    assert ["connect"] == kinds("connect(3<TCP:[1]>, {sa_family=AF_INET}, 16 <unfinished ...>")


def test_the_markers_cut_the_log_by_call() -> None:
    lines = [
        'openat(AT_FDCWD</b>, "/c/0", O_RDONLY) = 3</c/0>',
        'access("/tieout-author/4", F_OK) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD</b>, "/c/4", O_RDONLY) = 3</c/4>',
        'access("/tieout-author/5", F_OK) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD</b>, "/c/5", O_RDONLY) = 3</c/5>',
        'access("/tieout-author/end", F_OK) = -1 ENOENT (No such file or directory)',
        'openat(AT_FDCWD</b>, "/c/6", O_RDONLY) = 3</c/6>',
    ]

    events = strace.parsed(f"7 {line}" for line in lines)
    assert [(-1, "/c/0"), (4, "/c/4"), (5, "/c/5"), (6, "/c/6")] == [(e.section, *e.paths) for e in events]


@pytest.mark.parametrize(
    ("command", "program", "text", "expected"),
    [
        ("doctor", sys.executable, doctor._LOOK, []),
        ("verify", sys.executable, doctor._LOOK, ["execve"]),
        ("doctor", "/bin/sh", doctor._LOOK, ["execve"]),
        ("doctor", sys.executable, "import os", ["execve"]),
    ],
)
def test_only_doctor_starts_a_process_and_only_its_own(
    command: str, program: str, text: str, expected: list[str]
) -> None:
    call = Invocation(command, ("/a/books.duckdb",), ("/a/books.duckdb",))
    line = f'execve("{program}", ["python", "-c", "{text}", "/a/books.duckdb"], 0x7f /* 9 vars */) = 0'

    assert expected == kinds(line, call=call)


# --- output and files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["\x1b[2J", "\r", "\x9b31m", "\u202e", "\u2066", "\x00", "\x7f"])
def test_a_control_character_on_the_terminal_is_reported(text: str) -> None:
    assert ["terminal"] == [v.kind for v in judge.of_output(f"a line\n{text}")]


def test_plain_output_is_no_violation() -> None:
    assert [] == judge.of_output("a\tb\nMüller \\x1b[2J\n")


def test_the_contents_of_another_file_are_a_leak() -> None:
    assert ["leak"] == [v.kind for v in judge.of_output(f"x {CANARY}")]
    assert [] == judge.of_output(f"x {CANARY}", may_leak=True)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("exact.beancount", 'option "title" "x"\n  plugin "planted"\n', "directive"),
        ("exact.beancount", 'a\roption "insert_pythonpath" "TRUE"\n', "directive"),
        ("exact.journal", "account A\ninclude planted\n", "directive"),
        ("note.csv", 'id,text\n0,"=1+1"\n', "formula"),
        ("note.csv", "id,text\n0,@SUM(1)\n", "formula"),
        ("note.csv", f"id,text\n0,{CANARY}\n", "leak"),
        ("note.parquet", f"PAR1{CANARY}", "leak"),
    ],
)
def test_a_planted_text_in_an_export_is_reported(tmp_path: Path, name: str, content: str, kind: str) -> None:
    (tmp_path / name).write_text(content, newline="")

    assert [kind] == [violation.kind for violation in judge.of_files(tmp_path)]


def test_an_honest_export_is_no_violation(tmp_path: Path) -> None:
    (tmp_path / "a.beancount").write_text('option "title" "plugin"\n; include x\n')
    (tmp_path / "a.csv").write_text("id,amount\n-1,-2.5e-3\n0,'=1+1\n")

    assert [] == judge.of_files(tmp_path)


def test_violations_are_told_once() -> None:
    line = 'openat(AT_FDCWD</b>, "/c/x", O_RDONLY) = 3</c/x>'
    events = strace.parsed(f"7 {line}" for _ in range(3))

    assert [Violation("read", "/c/x")] == judge.judged(events, CALL, ALLOWED)
