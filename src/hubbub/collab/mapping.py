"""One change set as it applies after another that was made at the same time: `mapSet` of `@codemirror/state`.

Source: https://github.com/codemirror/state (MIT), `src/change.ts`. The order in which it looks at the two decides what
comes of them, so that the loop here follows the one there step by step.
"""

from __future__ import annotations

from hubbub.collab.sections import END, KEEP, MISMATCH, Sections, add


def map_sections(first: Sections, second: list[int], before: bool) -> Sections:  # noqa: PLR0912, PLR0915
    """`first` as it applies after `second`, of which the numbers suffice. Raises `ValueError` for other lengths.

    Both are walked at once. `a_` and `b_` are what is left of the section where each of them is: its number times
    two plus two, its length, the units that it inserts, `KEEP` or `END`, and how much of it was passed. `done` is
    the section of the first whose text is out, though it is taken piece by piece.
    """
    sections: list[int] = []
    texts: list[bytes] = []
    (a_sections, a_texts), b_sections = first, second
    a_count, b_count = len(a_sections), len(b_sections)
    a_i = b_i = a_off = 0
    a_len = b_len = 0
    a_ins = b_ins = END
    if a_count:
        a_len, a_ins, a_i = a_sections[0], a_sections[1], 2
    if b_count:
        b_len, b_ins, b_i = b_sections[0], b_sections[1], 2
    done = -1
    while a_ins != END or b_ins != END:
        if a_ins == KEEP and b_ins == KEEP:
            piece = min(a_len, b_len)
            add(sections, texts, piece, KEEP)
            a_step = b_step = piece
        elif b_ins >= 0 and (
            a_ins < 0 or done == a_i or (a_off == 0 and (b_len < a_len or (b_len == a_len and not before)))
        ):
            # What the second changes comes first: pass it, and whatever of the first it covers.
            add(sections, texts, b_ins, KEEP)
            left = b_len
            while left:
                piece = min(a_len, left)
                if a_ins >= 0 and done < a_i and a_len <= piece:
                    add(sections, texts, 0, a_ins, a_texts[(a_i - 2) >> 1])
                    done = a_i
                left -= piece
                if piece == a_len:
                    if a_i < a_count:
                        a_len, a_ins, a_i, a_off = a_sections[a_i], a_sections[a_i + 1], a_i + 2, 0
                    else:
                        a_len, a_ins, a_off = 0, END, 0
                        if left:
                            raise ValueError(MISMATCH)
                else:
                    a_len -= piece
                    a_off += piece
            a_step, b_step = -1, b_len
        elif a_ins >= 0:
            # A change of the first, up to where the second inserts something within it.
            length, left = 0, a_len
            while left:
                if b_ins == KEEP:
                    piece = min(left, b_len)
                    length += piece
                    left -= piece
                elif b_ins == 0 and b_len < left:
                    piece = b_len
                    left -= piece
                else:
                    break
                if piece == b_len:
                    if b_i < b_count:
                        b_len, b_ins, b_i = b_sections[b_i], b_sections[b_i + 1], b_i + 2
                    else:
                        b_len, b_ins = 0, END
                else:
                    b_len -= piece
            if done < a_i:
                add(sections, texts, length, a_ins, a_texts[(a_i - 2) >> 1])
            else:
                add(sections, texts, length, 0)
            done = a_i
            a_step, b_step = a_len - left, -1
            if left and b_ins == END:
                raise ValueError(MISMATCH)
        else:
            raise ValueError(MISMATCH)
        if a_step >= 0:
            if a_step == a_len:
                if a_i < a_count:
                    a_len, a_ins, a_i, a_off = a_sections[a_i], a_sections[a_i + 1], a_i + 2, 0
                else:
                    a_len, a_ins, a_off = 0, END, 0
            else:
                a_len -= a_step
                a_off += a_step
        if b_step >= 0:
            if b_step == b_len:
                if b_i < b_count:
                    b_len, b_ins, b_i = b_sections[b_i], b_sections[b_i + 1], b_i + 2
                else:
                    b_len, b_ins = 0, END
            else:
                b_len -= b_step
    return sections, texts
