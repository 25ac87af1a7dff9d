// The time mark in a message's text, by which its delivery is known, whatever a server wraps around it.
#ifndef BENCH_MARK_H
#define BENCH_MARK_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ws.h"

#define MARK "~M~"
enum { MARK_LENGTH = 3, MARK_DIGITS = 19 };

// Writes a mark of the time `t` and `pad` bytes of padding; returns where it ends. No zero byte follows.
static inline char *mark_put(char *out, uint64_t t, size_t pad) {
    out += sprintf(out, MARK "%0*llu", MARK_DIGITS, (unsigned long long)t);
    memset(out, 'x', pad);
    return out + pad;
}

// The mark in the frame, or NULL. All messages of a run look alike, so it is nearly always where it was last.
static inline const uint8_t *mark_find(const WsFrame *frame) {
    static size_t last;
    if (frame->length >= last + MARK_LENGTH + MARK_DIGITS && !memcmp(frame->payload + last, MARK, MARK_LENGTH))
        return frame->payload + last;
    const uint8_t *mark = memmem(frame->payload, frame->length, MARK, MARK_LENGTH);
    if (!mark || mark + MARK_LENGTH + MARK_DIGITS > frame->payload + frame->length) return NULL;
    last = (size_t)(mark - frame->payload);
    return mark;
}

static inline uint64_t mark_time(const uint8_t *mark) {
    uint64_t t = 0;
    for (int i = 0; i < MARK_DIGITS; i++) t = t * 10 + (uint64_t)(mark[MARK_LENGTH + i] - '0');
    return t;
}

#endif
