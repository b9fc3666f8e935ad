"""Reads the lines of a history file that hold nothing difficult, at the speed of memory.

The idea: a line is taken only if every byte of it is understood: the fields each once and in any order, `", "`
or `","` between them, whole numbers of up to 64 bits in canonical decimal, strings without escapes, `true`,
`false` and `null`. On anything else the line is marked HARD and left to the strict reader of `spec.history`, so
this file never decides that a line is wrong, and need not say why. Keys and values are numbered by a hash table
over their bytes, which a secret multiplier makes safe against files that were written to collide.

No index is checked against the length of the text: each byte is read only after the one before it was not a
newline, and the text up to `end` ends with a newline.
"""

# ruff: noqa: SIM110 -- plain loops are what compiles well

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from mapproof.spec.linearizability.compiled import FOREVER, Ints
from mapproof.spec.operations import KEYED, SIGNATURES, Op, Shape
from mapproof.spec.table import COMPLETED, PENDING

HARD: Final = 3
"""In the column `fate`: a line for the strict reader; it starts at the byte in the column `call`."""

CLIENT, OP, KEY, ARGS, RESULT, CALL, RETURN = range(7)
ALL_FIELDS = 2**7 - 1
ARGUMENTS, KIND, TOLD, SPAN = 7, 8, 9, 10
KEY_SPAN, FIRST_SPAN, SECOND_SPAN, FOUND_SPAN = 10, 13, 16, 19
GOT = 22
"""Places in `got`, what was read of one line: its fields, then how many arguments, the kind of its result with its
flag, and the spans (start, end, hash) of the key, of two arguments and of the value in the answer."""

Grammar: TypeAlias = tuple[Sequence[int], Ints, Ints, Ints]
"""What `vocabulary` gives: the words, where each starts, how many arguments and what kind of result each op has."""

Secret: TypeAlias = tuple[int, int]
"""Where hashing starts and what it multiplies by: random, below 2**62, the second one odd."""

Store: TypeAlias = tuple[Ints, Ints, Ints]
"""The slots of a hash table of names, a power of two; where the bytes of each name start; those bytes."""

NOTHING, FLAG, VALUE_OK, ACTUAL_LOADED = range(4)
"""Kinds of result. A pair is read as VALUE_OK; which pair it is the operation knows."""

_KINDS = {
    Shape.NOTHING: NOTHING,
    Shape.FLAG: FLAG,
    Shape.VALUE_OK: VALUE_OK,
    Shape.ACTUAL_LOADED: ACTUAL_LOADED,
}

HASH = 2**63 - 1
NUMBER = 2**32 - 1
EMPTY: Final = -1
"""A slot without a number; else the number, and above its 32 bits the upper half of the hash."""

QUOTE, COMMA, MINUS, ZERO, FOUR, NINE, COLON = 34, 44, 45, 48, 52, 57, 58
OPENING, CLOSING, BACKSLASH, OPENING_BRACE, CLOSING_BRACE = 91, 93, 92, 123, 125
NEWLINE, CARRIAGE_RETURN, SPACE, LETTER_A, LETTER_C, LETTER_E, LETTER_F = 10, 13, 32, 97, 99, 101, 102
LETTER_K, LETTER_N, LETTER_O, LETTER_R, LETTER_T = 107, 110, 111, 114, 116

_FIELDS = ("client", "op", "key", "args", "result", "call", "return")
TRUE, FALSE, NULL, FIRST_OP = 7, 8, 9, 10
OPERATIONS = len(KEYED)
"""Places in the vocabulary: the fields, three constants, the operations."""


def vocabulary() -> tuple[bytes, list[int], list[int], list[int]]:
    """A Grammar of lists: all words on end, with the quote that closes a name."""
    words = [f'{word}"' for word in _FIELDS] + ["true", "false", "null"] + [f'{op}"' for op in KEYED]
    starts = [sum(map(len, words[:i])) for i in range(len(words) + 1)]
    signatures = [SIGNATURES[Op(op)] for op in KEYED]
    arguments = [len(signature.arguments) for signature in signatures]
    return "".join(words).encode(), starts, arguments, [_KINDS[s.result] for s in signatures]


def spelled(text: Sequence[int], at: int, words: Sequence[int], starts: Ints, word: int) -> bool:
    """Whether the text goes on with that word."""
    start, stop = starts[word], starts[word + 1]
    for i in range(stop - start):
        if text[at + i] != words[start + i]:
            return False
    return True


def after_space(text: Sequence[int], at: int) -> int:
    """Past the one space that may follow a comma or a colon."""
    return at + 1 if text[at] == SPACE else at


def whole_number(text: Sequence[int], at: int) -> tuple[int, int]:
    """A canonical decimal, and where it ends; -1 there if it is none, or too large."""
    negative = text[at] == MINUS
    first = at + 1 if negative else at
    i, value = first, 0
    while ZERO <= text[i] <= NINE and i - first < 20:
        value = value * 10 + (text[i] - ZERO)
        i += 1
    digits = i - first
    if digits == 0 or digits > 19 or (digits == 19 and text[first] > FOUR):
        return 0, -1
    if text[first] == ZERO and (digits > 1 or negative):
        return 0, -1
    return (-value if negative else value), i


def character_length(text: Sequence[int], at: int) -> int:
    """The bytes of the UTF-8 character that starts here with a byte of 128 or more; 0 if it is not valid."""
    lead, low, high = text[at], 128, 191
    if 194 <= lead <= 223:
        length = 2
    elif 224 <= lead <= 239:
        length = 3
        low = 160 if lead == 224 else 128
        high = 159 if lead == 237 else 191
    elif 240 <= lead <= 244:
        length = 4
        low = 144 if lead == 240 else 128
        high = 143 if lead == 244 else 191
    else:
        return 0
    if text[at + 1] < low or text[at + 1] > high:
        return 0
    for i in range(2, length):
        if text[at + i] < 128 or text[at + i] > 191:
            return 0
    return length


def mixed(hashed: int, part: int, factor: int) -> int:
    """The hash with one more byte or number in it. Masked, so that Python's integers wrap as the machine's do."""
    product = ((hashed ^ part) * factor) & HASH
    return product ^ (product >> 32)


def string_end(text: Sequence[int], at: int, seed: int, factor: int) -> tuple[int, int]:
    """Where the string ends whose quote opens before `at`, and its hash."""
    hashed = seed
    while text[at] != QUOTE:
        if text[at] >= 128:
            length = character_length(text, at)
            if length == 0:
                return -1, 0
            for i in range(at, at + length):
                hashed = mixed(hashed, text[i], factor)
            at += length
        elif text[at] == BACKSLASH or text[at] < SPACE:
            return -1, 0
        else:
            hashed = mixed(hashed, text[at], factor)
            at += 1
    return at + 1, mixed(hashed, QUOTE, factor)


def token_end(text: Sequence[int], at: int, grammar: Grammar, secret: Secret) -> tuple[int, int]:
    """Where the simple key or value ends that starts here, and its hash; -1 if it is no simple one."""
    words, starts = grammar[0], grammar[1]
    seed, factor = secret
    first = text[at]
    if first == QUOTE:
        return string_end(text, at + 1, seed, factor)
    if first == MINUS or ZERO <= first <= NINE:
        value, end = whole_number(text, at)
        return end, mixed(mixed(seed, value, factor), MINUS, factor)
    word = TRUE if first == LETTER_T else FALSE if first == LETTER_F else NULL
    if spelled(text, at, words, starts, word):
        return at + starts[word + 1] - starts[word], mixed(seed, first, factor)
    return -1, 0


def read_token(text: Sequence[int], at: int, got: Ints, span: int, grammar: Grammar, secret: Secret) -> int:
    """Reads a key or value into a span of `got`; says where it ends, or -1."""
    end, hashed = token_end(text, at, grammar, secret)
    got[span], got[span + 1], got[span + 2] = at, end, hashed
    return end


def read_args(text: Sequence[int], at: int, got: Ints, grammar: Grammar, secret: Secret) -> int:
    """A list of none, one or two simple values."""
    if text[at] != OPENING:
        return -1
    at += 1
    count = 0
    while count > 0 or text[at] != CLOSING:
        if count == 2:
            return -1
        at = read_token(text, at, got, FIRST_SPAN + 3 * count, grammar, secret)
        if at < 0:
            return -1
        count += 1
        if text[at] == CLOSING:
            break
        if text[at] != COMMA:
            return -1
        at = after_space(text, at + 1)
    got[ARGUMENTS] = count
    return at + 1


def read_flag(text: Sequence[int], at: int, got: Ints, grammar: Grammar) -> int:
    """`true` or `false`."""
    words, starts = grammar[0], grammar[1]
    for word in (TRUE, FALSE):
        if spelled(text, at, words, starts, word):
            got[TOLD] = 1 if word == TRUE else 0
            return at + starts[word + 1] - starts[word]
    return -1


def read_result(text: Sequence[int], at: int, got: Ints, grammar: Grammar, secret: Secret) -> int:
    """null, a flag, or a pair of a simple value and a flag."""
    words, starts = grammar[0], grammar[1]
    if text[at] == LETTER_N:
        got[KIND] = NOTHING
        return at + 4 if spelled(text, at, words, starts, NULL) else -1
    if text[at] != OPENING:
        got[KIND] = FLAG
        return read_flag(text, at, got, grammar)
    got[KIND] = VALUE_OK
    at = read_token(text, at + 1, got, FOUND_SPAN, grammar, secret)
    if at < 0 or text[at] != COMMA:
        return -1
    at = read_flag(text, after_space(text, at + 1), got, grammar)
    return at + 1 if at >= 0 and text[at] == CLOSING else -1


def read_op(text: Sequence[int], at: int, got: Ints, grammar: Grammar) -> int:
    """The name of a keyed operation."""
    if text[at] != QUOTE:
        return -1
    words, starts = grammar[0], grammar[1]
    for code in range(OPERATIONS):
        if spelled(text, at + 1, words, starts, FIRST_OP + code):
            got[OP] = code
            return at + 1 + starts[FIRST_OP + code + 1] - starts[FIRST_OP + code]
    return -1


def read_number(text: Sequence[int], at: int, got: Ints, field: int) -> int:
    """A client or a time."""
    value, end = whole_number(text, at)
    got[field] = value
    return end


def read_return(text: Sequence[int], at: int, got: Ints, grammar: Grammar) -> int:
    """A time, or null while pending."""
    if text[at] == LETTER_N:
        got[RETURN] = FOREVER
        return at + 4 if spelled(text, at, grammar[0], grammar[1], NULL) else -1
    end = read_number(text, at, got, RETURN)
    return end if got[RETURN] < FOREVER else -1


def field_at(text: Sequence[int], at: int, grammar: Grammar) -> int:
    """The field whose name starts here, by as many letters as tell it from the others; -1 for none."""
    if text[at] != QUOTE:
        return -1
    field, letter = -1, text[at + 1]
    if letter == LETTER_C:
        field = CALL if text[at + 2] == LETTER_A else CLIENT
    elif letter == LETTER_O:
        field = OP
    elif letter == LETTER_K:
        field = KEY
    elif letter == LETTER_A:
        field = ARGS
    elif letter == LETTER_R:
        field = RETURN if text[at + 2] == LETTER_E and text[at + 3] == LETTER_T else RESULT
    if field >= 0 and spelled(text, at + 1, grammar[0], grammar[1], field):
        return field
    return -1


def read_field(text: Sequence[int], at: int, field: int, got: Ints, grammar: Grammar, secret: Secret) -> int:
    """Reads the content of that field into `got`; says where it ends, or -1."""
    if field in (CLIENT, CALL):
        return read_number(text, at, got, field)
    if field == RETURN:
        return read_return(text, at, got, grammar)
    if field == OP:
        return read_op(text, at, got, grammar)
    if field == KEY:
        return read_token(text, at, got, KEY_SPAN, grammar, secret)
    if field == ARGS:
        return read_args(text, at, got, grammar, secret)
    return read_result(text, at, got, grammar, secret)


def read_line(text: Sequence[int], at: int, got: Ints, grammar: Grammar, secret: Secret) -> int:
    """Reads one line into `got`; says where the next one starts, or -1 if it is a hard one."""
    if text[at] != OPENING_BRACE:
        return -1
    seen = 0
    while text[at] != CLOSING_BRACE:
        at = at + 1 if seen == 0 else after_space(text, at + 1)
        field = field_at(text, at, grammar)
        if field < 0 or seen & (1 << field) != 0:
            return -1
        seen |= 1 << field
        at += 1 + grammar[1][field + 1] - grammar[1][field]
        if text[at] != COLON:
            return -1
        at = read_field(text, after_space(text, at + 1), field, got, grammar, secret)
        if at < 0 or (text[at] != COMMA and text[at] != CLOSING_BRACE):
            return -1
    at += 2 if text[at + 1] == CARRIAGE_RETURN else 1
    return at + 1 if text[at] == NEWLINE and seen == ALL_FIELDS and is_sound(text, got, grammar) else -1


def is_sound(text: Sequence[int], got: Ints, grammar: Grammar) -> bool:
    """Whether arguments, result and times are those that the operation may have."""
    op, kind = got[OP], got[KIND]
    if got[ARGUMENTS] != grammar[2][op] or got[CALL] <= -FOREVER or got[RETURN] < got[CALL]:
        return False
    if got[RETURN] == FOREVER:
        return kind == NOTHING and got[CALL] < FOREVER
    expected = grammar[3][op]
    if expected == ACTUAL_LOADED:
        return kind == VALUE_OK
    if kind != expected:
        return False
    return kind != VALUE_OK or got[TOLD] == 1 or text[got[FOUND_SPAN]] == LETTER_N


def has_room(names: Store, count: int, tokens: int, length: int) -> bool:
    """Whether so many new names of that length in all can be added; no more than half of the slots are used."""
    slots, offsets, store = names
    fits = count + tokens < len(offsets) and offsets[count] + length <= len(store)
    return fits and 2 * (count + tokens) <= len(slots)


def number_of(text: Sequence[int], start: int, end: int, hashed: int, names: Store, count: int) -> int:
    """The number of a simple key or value; `count`, the next free one, if it is new."""
    slots, offsets, store = names
    mask, tag, length = len(slots) - 1, hashed >> 32, end - start
    at = tag & mask
    while slots[at] != EMPTY:
        if slots[at] >> 32 == tag:
            number = slots[at] & NUMBER
            begin = offsets[number]
            if offsets[number + 1] - begin == length and same(text, start, store, begin, length):
                return number
        at = (at + 1) & mask
    begin = offsets[count]
    for i in range(length):
        store[begin + i] = text[start + i]
    offsets[count + 1] = begin + length
    slots[at] = (tag << 32) | count
    return count


def number_tokens(
    text: Sequence[int], numbers: Ints, names: Store, count: int, grammar: Grammar, secret: Secret
) -> int:
    """Numbers a list of simple tokens, a line each; an empty one is given a new number, and no name.

    Says how many names there are then. There must be room for them.
    """
    at = 0
    for i in range(len(numbers)):
        end, number = at, count
        if text[at] == NEWLINE:
            names[1][count + 1] = names[1][count]
        else:
            end, hashed = token_end(text, at, grammar, secret)
            number = number_of(text, at, end, hashed, names, count)
        numbers[i] = number
        count = max(count, number + 1)
        at = end + 1
    return count


def same(text: Sequence[int], start: int, store: Sequence[int], begin: int, length: int) -> bool:
    """Whether the token is the one that is stored there."""
    for i in range(length):
        if text[start + i] != store[begin + i]:
            return False
    return True


def rehash(old: Ints, new: Ints) -> None:
    """Moves the numbers to a table of more slots, all of them empty."""
    mask = len(new) - 1
    for i in range(len(old)):
        if old[i] != EMPTY:
            at = (old[i] >> 32) & mask
            while new[at] != EMPTY:
                at = (at + 1) & mask
            new[at] = old[i]


def place(
    text: Sequence[int], row: int, got: Ints, columns: Any, keys: Store, values: Store, counts: Ints
) -> None:
    """Writes what was read of a line to its row. `counts` holds the number of keys and that of values."""
    client, op, key, first, second, found, told, fate, call, return_ = columns
    pending = got[RETURN] == FOREVER
    client[row], op[row], call[row], return_[row] = got[CLIENT], got[OP], got[CALL], got[RETURN]
    key[row] = number_of(text, got[KEY_SPAN], got[KEY_SPAN + 1], got[KEY_SPAN + 2], keys, counts[0])
    counts[0] = max(counts[0], key[row] + 1)
    first[row] = second[row] = found[row] = -1
    if got[ARGUMENTS] > 0:
        first[row] = value_at(text, got, FIRST_SPAN, values, counts)
    if got[ARGUMENTS] > 1:
        second[row] = value_at(text, got, SECOND_SPAN, values, counts)
    absent = got[TOLD] == 0 and got[OP] != LOAD_OR_STORE
    if got[KIND] == VALUE_OK and not absent:
        found[row] = value_at(text, got, FOUND_SPAN, values, counts)
    told[row] = -1 if got[KIND] == NOTHING else got[TOLD]
    fate[row] = PENDING if pending else COMPLETED


LOAD_OR_STORE = KEYED.index(Op.LOAD_OR_STORE)


def value_at(text: Sequence[int], got: Ints, span: int, values: Store, counts: Ints) -> int:
    """The number of the value in that span."""
    number = number_of(text, got[span], got[span + 1], got[span + 2], values, counts[1])
    counts[1] = max(counts[1], number + 1)
    return number


def read_lines(
    text: Sequence[int],
    at: int,
    end: int,
    row: int,
    columns: Any,
    keys: Store,
    values: Store,
    counts: Ints,
    grammar: Grammar,
    secret: Secret,
    got: Ints,
) -> tuple[int, int]:
    """Reads lines from `at` on, one a row; says where it stopped and at which row.

    It stops at `end`, or earlier for want of room for names. A hard line has nothing in its row but its fate.
    """
    while 0 <= at < end:
        after = read_line(text, at, got, grammar, secret)
        if after < 0:
            columns[7][row], columns[8][row] = HARD, at
            while text[at] != NEWLINE:
                at += 1
            at += 1
        else:
            if not (has_room(keys, counts[0], 2, after - at) and has_room(values, counts[1], 4, after - at)):
                return at, row
            place(text, row, got, columns, keys, values, counts)
            at = after
        row += 1
    return at, row


def takes_turns(client: Ints, call: Ints, return_: Ints, free: Ints) -> bool:
    """Whether each client's operations are in order of time in the file, and never overlap.

    `free` has the time at which each client is done, at the start lower than any.
    """
    for row in range(len(client)):
        if call[row] < free[client[row]]:
            return False
        free[client[row]] = return_[row]
    return True


KERNELS = (
    spelled,
    after_space,
    whole_number,
    character_length,
    mixed,
    string_end,
    token_end,
    read_token,
    read_args,
    read_flag,
    read_result,
    read_op,
    read_number,
    read_return,
    field_at,
    read_field,
    read_line,
    is_sound,
    has_room,
    number_of,
    number_tokens,
    same,
    rehash,
    place,
    value_at,
    read_lines,
    takes_turns,
)
