from rnn_bench.data.cleaning import clean_like_the_study


def test_cleaning_keeps_unicode_white_space_and_nothing_but_letters_and_digits() -> None:
    assert clean_like_the_study("Don’t\u00a0PANIC: 42 — é\n\tyes") == "dont\u00a0panic 42  \n\tyes"
