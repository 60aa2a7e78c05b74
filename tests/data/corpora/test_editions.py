from pathlib import Path

from rnn_bench.data.corpora.editions import blob_id


def test_a_blob_id_is_what_git_prints(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"hello\n")
    assert blob_id(file) == "ce013625030ba8dba906f756967f9e9ca394464a"
