// What the load generator and the C peer share: WebSocket frames, as bytes.
#ifndef BENCH_WS_H
#define BENCH_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WS_TEXT = 1, WS_BINARY = 2, WS_CLOSE = 8, WS_PING = 9, WS_PONG = 10 };
enum { WS_MAX_HEADER = 14 };

typedef struct {
    int opcode;
    bool final;
    uint8_t *payload;  // inside the buffer that was parsed, unmasked in place
    size_t length;
} WsFrame;

// Writes a whole frame into `out`, which has room for WS_MAX_HEADER more than the payload. A client has to mask.
static inline size_t ws_write_frame(uint8_t *out, int opcode, const void *payload, size_t length, bool mask) {
    static const uint8_t key[4] = {0x1f, 0x8b, 0x5a, 0xc3};  // fixed: what is measured is the unmasking, not the secrecy
    size_t at = 0;
    uint8_t mask_bit = mask ? 0x80 : 0;
    out[at++] = 0x80 | (uint8_t)opcode;
    if (length < 126) {
        out[at++] = mask_bit | (uint8_t)length;
    } else if (length < 65536) {
        out[at++] = mask_bit | 126;
        out[at++] = (uint8_t)(length >> 8);
        out[at++] = (uint8_t)length;
    } else {
        out[at++] = mask_bit | 127;
        for (int shift = 56; shift >= 0; shift -= 8) out[at++] = (uint8_t)((uint64_t)length >> shift);
    }
    if (!mask) {
        memcpy(out + at, payload, length);
        return at + length;
    }
    memcpy(out + at, key, 4);
    at += 4;
    for (size_t i = 0; i < length; i++) out[at + i] = ((const uint8_t *)payload)[i] ^ key[i & 3];
    return at + length;
}

// Parses the frame at the start of `data`. Returns its whole size, or 0 while it is incomplete.
static inline size_t ws_parse_frame(uint8_t *data, size_t available, WsFrame *frame) {
    if (available < 2) return 0;
    bool masked = data[1] & 0x80;
    uint64_t length = data[1] & 0x7f;
    size_t at = 2;
    if (length >= 126) {
        size_t extra = length == 126 ? 2 : 8;
        if (available < at + extra) return 0;
        length = 0;
        for (size_t i = 0; i < extra; i++) length = length << 8 | data[at + i];
        at += extra;
    }
    const uint8_t *key = data + at;
    if (masked) at += 4;
    if (available < at || available - at < length) return 0;
    frame->opcode = data[0] & 0x0f;
    frame->final = data[0] & 0x80;
    frame->payload = data + at;
    frame->length = length;
    if (masked)
        for (size_t i = 0; i < length; i++) frame->payload[i] ^= key[i & 3];
    return at + length;
}

#endif
