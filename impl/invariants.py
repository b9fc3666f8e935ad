"""How the maps say that an invariant is broken: by an AssertionError with a sentence, under `python -O` too."""


def require(condition: bool, sentence: str) -> None:
    """Raise AssertionError with the sentence unless the condition holds."""
    if not condition:
        raise AssertionError(sentence)
