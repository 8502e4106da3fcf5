from __future__ import annotations

import pytest

from melisma.train.last_words import Cause, n_memory_kills, read


@pytest.mark.parametrize(
    ("code", "lines", "killed", "cause", "said"),
    [
        (0, ["wrote runs/one"], False, Cause.DONE, "the training is done"),
        (-9, ["step 12"], True, Cause.MEMORY, "the system killed the training for want of memory"),
        (137, [], True, Cause.MEMORY, "the system killed the training for want of memory"),
        (-9, ["step 12"], False, Cause.KILLED, "the training was killed"),
        (-11, [], True, Cause.CRASH, "the training crashed with SIGSEGV"),
        (-15, [], False, Cause.INTERRUPTED, "the training was interrupted by SIGTERM"),
        (130, ["interrupted"], False, Cause.INTERRUPTED, "the training was interrupted by SIGINT"),
        (2, ["error: there is no file x"], False, Cause.INPUT, "the training cannot begin: there is no file x"),
        (3, ["error: torch is missing"], False, Cause.INPUT, "the training cannot begin: torch is missing"),
        (1, ["error: the loss is not a number"], False, Cause.FAULT, "the training failed: the loss is not a number"),
        (1, [], False, Cause.FAULT, "the training failed: it said nothing"),
        (1, ["torch.OutOfMemoryError: CUDA out of memory. Tried"], False, Cause.MEMORY, None),
        (
            1,
            ["RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"],
            False,
            Cause.MEMORY,
            None,
        ),
        (1, ["RuntimeError: MPS backend out of memory (MPS allocated: 8 GB)"], False, Cause.MEMORY, None),
        (1, ["MemoryError"], False, Cause.MEMORY, None),
        (
            1,
            ["error: the training ran out of memory after step 2: --micro-batches 2 needs less"],
            False,
            Cause.MEMORY,
            "the training ran out of memory",
        ),
        (
            1,
            ["error: a process that makes batches was ended after step 9 (DataLoader worker): give fewer"],
            True,
            Cause.MEMORY,
            "the system killed a process of the training for want of memory",
        ),
        (1, ["RuntimeError: DataLoader worker (pid 7) is killed by signal: Killed."], False, Cause.FAULT, None),
        (1, ["error: there is not enough memory for this"], False, Cause.MEMORY, None),
        (2, ["error: out of memory is no value of --precision"], False, Cause.INPUT, None),
    ],
)
def test_the_end_of_a_training_is_read(code, lines, killed, cause, said):
    found, sentence = read(code, lines, killed)
    assert found is cause
    assert said is None or sentence == said


def test_words_of_long_ago_are_no_cause():
    lines = ["an earlier try ran out of memory", *(f"step {n}" for n in range(30)), "error: the disk is full"]
    assert read(1, lines, False)[0] is Cause.FAULT


def test_memory_kills_are_counted_where_the_kernel_says_them(tmp_path):
    group, machine = tmp_path / "memory.events", tmp_path / "vmstat"
    group.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    machine.write_text("nr_free_pages 1\noom_kill 5\n")
    assert n_memory_kills((group, machine, tmp_path / "none")) == 7
