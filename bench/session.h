// A hub's session, as a client has it: it outlives its connections, and knows how far it has read its one log.
//
// The program that includes this says what happens then: on_delivery, on_ack, on_gap, on_lost. The first connection
// says hello and subscribes; every later one says restore_session with the offset of the last delivery.
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>

#include "client.h"
#include "mark.h"
#include "measure.h"
#include "ws.h"

enum { SESSION_READ = 1 << 18, SESSION_CARRY = 1 << 17, SESSION_PATIENCE = 60, SESSION_PAD = 64 };

typedef enum { AWAY, UPGRADING, GREETING, OPEN } Phase;

typedef struct {
    int fd, index, poller;
    Phase phase;
    char channel[32];     // a topic that has its log to itself; empty: it only publishes
    char id[64], epoch[32];
    uint64_t last;        // the offset of the last delivery, or the one after which it began
    uint64_t received;    // deliveries
    uint64_t disordered;  // deliveries at an offset that it had
    uint8_t *carry;       // the incomplete frame at the end of the last read
    size_t carry_length;
} Session;

static void on_delivery(Session *s, uint64_t offset, const WsFrame *frame, uint64_t at);
static void on_ack(Session *s, const WsFrame *frame, uint64_t offset);
// Messages after s->last and up to `to` will not come: a `gap`, or a restore that did not recover.
static void on_gap(Session *s, uint64_t to, bool by_restore);
static void on_lost(Session *s);

static int session_port;
static int sessions_opened;  // how often one became OPEN

// --- out ---

static inline void session_send(Session *s, int opcode, const void *payload, size_t length) {
    static uint8_t frame[(1 << 14) + WS_MAX_HEADER];
    if (length > 1 << 14) die("a message is too long");
    size_t size = ws_write_frame(frame, opcode, payload, length, true);
    ssize_t wrote = send(s->fd, frame, size, MSG_NOSIGNAL);
    // What was lost with a connection that just ended is noticed by the next read.
    if (wrote < 0 && (errno == EPIPE || errno == ECONNRESET)) return;
    if (wrote != (ssize_t)size) die("a socket takes no more");
}

static inline const char *session_uuid(void) {
    static unsigned long long uuids;
    static char text[40];
    snprintf(text, sizeof text, "%08x-0000-4000-8000-%012llx", (unsigned)getpid(), ++uuids);
    return text;
}

// A text of as many bytes as in the other works; `sent` is the time that its delivery is compared with.
static inline void session_publish(Session *s, const char *channel, uint64_t sent) {
    char text[512], content[MARK_LENGTH + MARK_DIGITS + SESSION_PAD + 1];
    *mark_put(content, sent, SESSION_PAD) = 0;
    int n = snprintf(text, sizeof text,
                     "{\"type\":\"text\",\"messageId\":\"%s\",\"timestamp\":1,\"sender\":\"u%d\",\"channel\":\"%s\","
                     "\"payload\":{\"content\":\"%s\"}}",
                     session_uuid(), s->index, channel, content);
    session_send(s, WS_TEXT, text, (size_t)n);
}

static inline void session_dial(Session *s) {
    s->fd = ws_dial(session_port, "/ws", "hubbub.json", SESSION_PATIENCE);
    s->phase = UPGRADING;
    s->carry_length = 0;
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(s->poller, EPOLL_CTL_ADD, s->fd, &event);
}

// Ends the connection from this side, at once and without a word.
static inline void session_cut(Session *s) {
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(s->fd);
    s->phase = AWAY;
}

static inline void session_greet(Session *s) {
    char text[512];
    if (*s->id) {
        int n = snprintf(text, sizeof text,
                         "{\"type\":\"restore_session\",\"version\":\"1.2\",\"sessionId\":\"%s\",\"payload\":"
                         "{\"positions\":{\"%s\":{\"epoch\":\"%s\",\"offset\":%llu}}}}",
                         s->id, s->channel, s->epoch, (unsigned long long)s->last);
        session_send(s, WS_TEXT, text, (size_t)n);
    } else {
        int n = snprintf(text, sizeof text, "{\"type\":\"hello\",\"version\":\"1.2\",\"payload\":{\"user\":\"u%d\"}}",
                         s->index);
        session_send(s, WS_TEXT, text, (size_t)n);
        if (*s->channel) {
            n = snprintf(text, sizeof text, "{\"type\":\"subscribe\",\"messageId\":\"%s\",\"channel\":\"%s\"}",
                         session_uuid(), s->channel);
            session_send(s, WS_TEXT, text, (size_t)n);
        }
    }
    s->phase = GREETING;
}

// --- in ---

static inline void session_open(Session *s) {
    s->phase = OPEN;
    sessions_opened++;
}

// What follows the first `name` in the frame from `from` on, or NULL.
static inline const char *session_find(const WsFrame *frame, const char *from, const char *name) {
    const char *start = from ? from : (const char *)frame->payload, *end = (const char *)frame->payload + frame->length;
    const char *found = memmem(start, (size_t)(end - start), name, strlen(name));
    return found ? found + strlen(name) : NULL;
}

static inline uint64_t session_number(const char *digits) {
    uint64_t value = 0;
    while (digits && *digits >= '0' && *digits <= '9') value = value * 10 + (uint64_t)(*digits++ - '0');
    return value;
}

static inline void session_copy(char *out, size_t size, const char *text) {
    size_t n = 0;
    while (text && text[n] != '"' && n < size - 1) out[n] = text[n], n++;
    out[n] = 0;
}

static inline void session_restored(Session *s, const WsFrame *frame) {
    char name[64];
    snprintf(name, sizeof name, "\"%s\":{", s->channel);
    const char *mine = session_find(frame, NULL, name);
    if (!mine) die("a session came back without its subscription");
    bool recovered = !memcmp(mine, "\"recovered\":true", 16);
    uint64_t offset = session_number(session_find(frame, mine, "\"offset\":"));
    session_copy(s->epoch, sizeof s->epoch, session_find(frame, mine, "\"epoch\":\""));
    session_open(s);
    errno = 0;
    if (recovered && offset != s->last) die("a session goes on from another offset than it said");
    if (!recovered) on_gap(s, offset, true);
    s->last = offset;
}

static inline void session_gap(Session *s, const WsFrame *frame) {
    uint64_t to = session_number(session_find(frame, NULL, "\"to\":"));
    errno = 0;
    if (session_number(session_find(frame, NULL, "\"from\":")) != s->last + 1)
        die("a gap does not begin after the last delivery");
    on_gap(s, to, false);
    s->last = to;
}

static inline bool session_begins(const WsFrame *frame, const char *text) {
    return frame->length > strlen(text) && !memcmp(frame->payload, text, strlen(text));
}

static inline void session_text(Session *s, const WsFrame *frame, uint64_t at) {
    if (session_begins(frame, "{\"offset\":")) {
        uint64_t offset = session_number((const char *)frame->payload + 10);
        s->received++;
        if (offset <= s->last) s->disordered++;
        on_delivery(s, offset, frame, at);
        s->last = offset;
    } else if (session_begins(frame, "{\"type\":\"ack\"")) {
        const char *offset = session_find(frame, NULL, "\"offset\":");
        if (s->phase == GREETING && *s->channel) {
            session_copy(s->epoch, sizeof s->epoch, session_find(frame, NULL, "\"epoch\":\""));
            s->last = session_number(offset);
            session_open(s);
        } else {
            on_ack(s, frame, session_number(offset));
        }
    } else if (session_begins(frame, "{\"type\":\"welcome\"")) {
        session_copy(s->id, sizeof s->id, session_find(frame, NULL, "\"sessionId\":\""));
        if (!*s->channel) session_open(s);
    } else if (session_begins(frame, "{\"type\":\"session_restored\"")) {
        session_restored(s, frame);
    } else if (session_begins(frame, "{\"type\":\"gap\"")) {
        session_gap(s, frame);
    } else if (session_begins(frame, "{\"type\":\"error\"")) {
        fprintf(stderr, "%.*s\n", (int)frame->length, frame->payload);
        errno = 0;
        die("the server answered with an error");
    }
}

static inline void session_lost(Session *s) {
    close(s->fd);
    s->phase = AWAY;
    s->carry_length = 0;
    on_lost(s);
}

// The answer to the upgrade at the start of `data`. Returns its size, 0 while it is incomplete.
static inline size_t session_upgraded(Session *s, const uint8_t *data, size_t available) {
    const uint8_t *end = memmem(data, available, "\r\n\r\n", 4);
    errno = 0;
    if (!end) return 0;
    if (!memmem(data, available, " 101 ", 5)) die("no upgrade");
    session_greet(s);
    return (size_t)(end + 4 - data);
}

// Takes what has come; the session may be AWAY after it.
static inline void session_read(Session *s) {
    static uint8_t buffer[SESSION_CARRY + SESSION_READ];
    for (;;) {
        ssize_t got = read(s->fd, buffer + SESSION_CARRY, SESSION_READ);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            session_lost(s);
            return;
        }
        uint64_t at = now();
        uint8_t *data = buffer + SESSION_CARRY - s->carry_length;
        size_t left = (size_t)got + s->carry_length, size;
        if (s->carry_length) memcpy(data, s->carry, s->carry_length);
        WsFrame frame;
        while (left) {
            if (s->phase == UPGRADING) {
                if (!(size = session_upgraded(s, data, left))) break;
            } else {
                if (!(size = ws_parse_frame(data, left, &frame))) break;
                if (frame.opcode == WS_TEXT) session_text(s, &frame, at);
                else if (frame.opcode == WS_PING) session_send(s, WS_PONG, frame.payload, frame.length);
                else if (frame.opcode == WS_CLOSE) {
                    session_lost(s);
                    return;
                }
            }
            data += size;
            left -= size;
        }
        if (left > SESSION_CARRY) die("a frame is too long");
        if (left) {
            if (!(s->carry = realloc(s->carry, left))) die("memory");
            memcpy(s->carry, data, left);
        }
        s->carry_length = left;
        if (got < SESSION_READ) return;
    }
}

static inline void session_poll(int poller, int most, int timeout_ms) {
    struct epoll_event events[256];
    int n = epoll_wait(poller, events, most, timeout_ms);
    for (int i = 0; i < n; i++) session_read(events[i].data.ptr);
}

#endif
