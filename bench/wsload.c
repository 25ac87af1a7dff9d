// wsload: a WebSocket fan-out load generator in one epoll thread, cheap enough not to be what is measured.
//
// Opens --conns connections to 127.0.0.1:--port--path; connection i is in room i % --rooms, and the first connection
// of each room is also its publisher. Every connection sends each --init frame after its upgrade and is ready when a
// frame that contains --ready has come. Then messages built from --template go out, round robin over the rooms, and
// a new one follows while fewer than --window are undelivered: throughput at the server's limit. A delivery is a
// text frame with the time mark that %T leaves, whatever the server wraps around it.
//
//   in --path, --init, --template  %R  the connection's room   %I  its index   %U  a fresh UUID   %t  ms since the epoch
//   in --template                  %T  the time mark and --pad bytes of padding
//
//   --ack TEXT    count frames without a mark that contain TEXT: acknowledgements to publishers
//   --confirm TEXT  acknowledge deliveries: send TEXT, in which %O is the last offset, after 64 deliveries or 100 ms,
//                 as Hubbub's clients do; deliveries begin with {"offset":N
//   --hold S      instead of publishing, hold the connections for S seconds: memory of idle connections
//   --eio         answer Engine.IO's heartbeat (text "2") with "3"
//   --port P      may be given several times: the connections of each room are shared among the ports
//   --pid P       report CPU time and resident memory of process P; of several the sum and the first's time
//
// At the end it waits for what is under way and counts, connection by connection, what is missing or came twice.
// Prints one JSON object. Build: gcc -O2 -o wsload wsload.c
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "mark.h"
#include "measure.h"
#include "ws.h"

enum { EVENTS = 512, READ_SIZE = 1 << 20, CARRY_MAX = 1 << 17, MAX_INITS = 8 };
enum { MESSAGE_MAX = 32768, DRAIN_SECONDS = 10, READY_SECONDS = 60, MAX_SERVERS = 8 };
#define OFFSET "{\"offset\":"
enum { CONFIRM_AFTER = 64, CONFIRM_NS = 100000000, CONFIRM_LOOK_NS = 5000000 };

typedef struct {
    int fd, room;
    bool ready;
    uint64_t received;  // deliveries, to be compared with what was published in the room
    uint8_t *carry;     // the incomplete frame at the end of the last read
    size_t carry_length;
    uint64_t offset, unconfirmed, unconfirmed_since;  // with --confirm
} Connection;

static struct {
    int port[MAX_SERVERS], ports, connections, rooms, window, pid[MAX_SERVERS], pids;
    double seconds, warm, hold;
    size_t pad;
    const char *path, *protocol, *message, *ready, *ack, *confirm, *init[MAX_INITS];
    int inits;
    bool eio;
} options = {.port = {8765}, .connections = 1000, .rooms = 1, .window = 1, .seconds = 3, .warm = 1, .pad = 64,
             .path = "/", .message = "%T"};

static int poller;
static Connection *connections;
static uint64_t *published_in;  // by room
static uint64_t published, delivered, acks, confirmations, reads, ready_count;
static bool counting;

// --- out ---

static void send_frame(int fd, int opcode, const void *payload, size_t length) {
    static uint8_t frame[MESSAGE_MAX + WS_MAX_HEADER];
    write_all(fd, frame, ws_write_frame(frame, opcode, payload, length, true));
}

// Fills in a pattern for the connection; returns the length.
static size_t expand(const char *pattern, int index, char *out) {
    static unsigned long long uuids;
    char *start = out;
    for (const char *p = pattern; *p; p++) {
        if (out - start > MESSAGE_MAX - 4096) die("a pattern is too long");
        if (*p != '%' || !p[1]) {
            *out++ = *p;
            continue;
        }
        struct timespec t;
        switch (*++p) {
        case 'T': out = mark_put(out, now(), options.pad); break;
        case 'R': out += sprintf(out, "%d", index % options.rooms); break;
        case 'I': out += sprintf(out, "%d", index); break;
        case 'O': out += sprintf(out, "%llu", (unsigned long long)connections[index].offset); break;
        case 'U': out += sprintf(out, "%08x-0000-4000-8000-%012llu", (unsigned)getpid(), ++uuids); break;
        case 't':
            clock_gettime(CLOCK_REALTIME, &t);
            out += sprintf(out, "%lld", (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000);
            break;
        default: *out++ = '%', *out++ = *p;
        }
    }
    *out = 0;
    return (size_t)(out - start);
}

static void publish(void) {
    static char message[MESSAGE_MAX];
    int publisher = (int)(published % (uint64_t)options.rooms);
    send_frame(connections[publisher].fd, WS_TEXT, message, expand(options.message, publisher, message));
    published_in[publisher]++;
    published++;
}

static void confirm(Connection *c) {
    static char text[MESSAGE_MAX];
    send_frame(c->fd, WS_TEXT, text, expand(options.confirm, (int)(c - connections), text));
    c->unconfirmed = 0;
    confirmations++;
}

// Whoever has waited for 100 ms, give or take the 5 ms between two looks.
static void confirm_late(void) {
    static uint64_t looked;
    uint64_t t = now();
    if (t - looked < CONFIRM_LOOK_NS) return;
    looked = t;
    for (Connection *c = connections; c < connections + options.connections; c++)
        if (c->unconfirmed && t - c->unconfirmed_since + CONFIRM_LOOK_NS >= CONFIRM_NS) confirm(c);
}

// --- in ---

static void note_offset(Connection *c, const WsFrame *frame, uint64_t at) {
    const size_t skipped = sizeof OFFSET - 1;
    errno = 0;
    if (frame->length < skipped || memcmp(frame->payload, OFFSET, skipped)) die("a delivery without an offset");
    c->offset = 0;
    for (const uint8_t *d = frame->payload + skipped; *d >= '0' && *d <= '9'; d++)
        c->offset = c->offset * 10 + (uint64_t)(*d - '0');
    if (!c->unconfirmed++) c->unconfirmed_since = at;
    if (c->unconfirmed >= CONFIRM_AFTER) confirm(c);
}

static bool contains(const WsFrame *frame, const char *text) {
    return text && memmem(frame->payload, frame->length, text, strlen(text));
}

static void on_text(Connection *c, const WsFrame *frame, uint64_t at) {
    const uint8_t *mark = mark_find(frame);
    if (mark) {
        delivered++;
        c->received++;
        if (counting) note_latency(at - mark_time(mark));
        if (options.confirm) note_offset(c, frame, at);
    } else if (options.eio && frame->length == 1 && frame->payload[0] == '2') {
        send_frame(c->fd, WS_TEXT, "3", 1);
    } else if (!c->ready && (!options.ready || contains(frame, options.ready))) {
        c->ready = true;
        ready_count++;
    } else if (published && contains(frame, options.ack)) {
        acks++;
    } else if (contains(frame, "\"error\"")) {
        static int shown;
        if (shown++ < 3) fprintf(stderr, "error frame: %.*s\n", (int)frame->length, frame->payload);
    }
}

static void on_frame(Connection *c, const WsFrame *frame, uint64_t at) {
    errno = 0;
    if (!frame->final || frame->opcode == 0) die("a fragmented message: not expected from any server here");
    if (frame->opcode == WS_TEXT || frame->opcode == WS_BINARY) {
        on_text(c, frame, at);
    } else if (frame->opcode == WS_PING) {
        send_frame(c->fd, WS_PONG, frame->payload, frame->length);
    } else if (frame->opcode == WS_CLOSE) {
        int code = frame->length >= 2 ? frame->payload[0] << 8 | frame->payload[1] : 1005;
        fprintf(stderr, "close %d %.*s\n", code, (int)frame->length - 2, frame->payload + 2);
        die("the server closed a connection");
    }
}

static void on_readable(Connection *c) {
    static uint8_t buffer[CARRY_MAX + READ_SIZE];
    for (;;) {
        ssize_t got = read(c->fd, buffer + CARRY_MAX, READ_SIZE);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) die("a connection was lost");
        uint64_t at = now();
        uint8_t *data = buffer + CARRY_MAX - c->carry_length;
        size_t left = (size_t)got + c->carry_length, size;
        if (c->carry_length) memcpy(data, c->carry, c->carry_length);
        reads++;
        WsFrame frame;
        while ((size = ws_parse_frame(data, left, &frame))) {
            on_frame(c, &frame, at);
            data += size;
            left -= size;
        }
        if (left > CARRY_MAX) die("a frame is too long");
        if (left) {
            c->carry = realloc(c->carry, left);
            if (!c->carry) die("memory");
            memcpy(c->carry, data, left);
        }
        c->carry_length = left;
        if (got < READ_SIZE) return;
    }
}

static void poll_once(int timeout_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(poller, events, EVENTS, timeout_ms);
    for (int i = 0; i < n; i++) on_readable(events[i].data.ptr);
    if (options.confirm) confirm_late();
}

// --- connecting ---

static void dial(int index) {
    Connection *c = &connections[index];
    static char text[MESSAGE_MAX];
    c->room = index % options.rooms;
    c->ready = !options.ready;
    expand(options.path, index, text);
    int server = options.ports ? index / options.rooms % options.ports : 0;
    c->fd = ws_connect(options.port[server], text, options.protocol, READY_SECONDS);
    for (int i = 0; i < options.inits; i++)
        send_frame(c->fd, WS_TEXT, text, expand(options.init[i], index, text));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &event);
}

static void connect_all(void) {
    uint64_t wanted = options.ready ? (uint64_t)options.connections : 0;
    for (int i = 0; i < options.connections; i++) {
        dial(i);
        if (i % 50 == 49) poll_once(0);
    }
    for (uint64_t end = after(READY_SECONDS); ready_count < wanted; poll_once(10))
        if (now() > end) {
            fprintf(stderr, "%llu of %d\n", (unsigned long long)ready_count, options.connections);
            errno = 0;
            die("connections did not get ready in time");
        }
}

// --- the two kinds of run ---

static void hold(long rss_before, double connect_seconds) {
    for (uint64_t end = after(options.hold); now() < end;) poll_once(20);
    long rss = process_rss_kb(options.pid[0]);
    printf("{\"connections\": %d, \"connect_s\": %.2f, \"rss_before_kb\": %ld, \"rss_after_kb\": %ld}\n",
           options.connections, connect_seconds, rss_before, rss);
}

static void pump(uint64_t end) {
    uint64_t per_message = (uint64_t)(options.connections / options.rooms);
    while (now() < end) {
        while (published - delivered / per_message < (uint64_t)options.window) publish();
        poll_once(1);
    }
}

static double servers_cpu(bool kernel) {
    double sum = 0;
    for (int i = 0; i < options.pids; i++) sum += process_cpu(options.pid[i], kernel);
    return sum;
}

static double first_cpu(void) {
    return process_cpu(options.pid[0], false) + process_cpu(options.pid[0], true);
}

static void load(double connect_seconds) {
    pump(after(options.warm));
    counting = true;
    reads = 0;
    uint64_t began = now(), published_before = published, delivered_before = delivered;
    double user = servers_cpu(false), system = servers_cpu(true), own = own_cpu(), first = first_cpu();
    pump(after(options.seconds));
    double seconds = (double)(now() - began) / 1e9;
    uint64_t sent = published - published_before, got = delivered - delivered_before, measured_reads = reads;
    user = servers_cpu(false) - user, system = servers_cpu(true) - system, own = own_cpu() - own;
    first = first_cpu() - first;
    counting = false;

    uint64_t expected = published * (uint64_t)(options.connections / options.rooms), missing = 0, twice = 0;
    for (uint64_t end = after(DRAIN_SECONDS); now() < end;) {
        if (delivered >= expected && (!options.ack || acks >= published)) break;
        poll_once(10);
    }
    for (int i = 0; i < options.connections; i++) {
        uint64_t wanted = published_in[connections[i].room], here = connections[i].received;
        if (here < wanted) missing += wanted - here;
        else twice += here - wanted;
    }
    printf("{\"seconds\": %.2f, \"published_per_s\": %.1f, \"deliveries_per_s\": %.0f, \"deliveries_per_read\": %.2f, "
           "\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"server_user_cpu\": %.2f, \"server_kernel_cpu\": %.2f, "
           "\"first_cpu\": %.2f, \"load_cpu\": %.2f, \"published\": %llu, \"acks\": %llu, \"confirmations\": %llu, "
           "\"missing\": %llu, \"twice\": %llu, \"connect_s\": %.2f, \"rss_kb\": %ld}\n",
           seconds, (double)sent / seconds, (double)got / seconds,
           measured_reads ? (double)got / (double)measured_reads : 0, percentile_ms(.5), percentile_ms(.99),
           user / seconds, system / seconds, first / seconds, own / seconds, (unsigned long long)published,
           (unsigned long long)acks, (unsigned long long)confirmations, (unsigned long long)missing, (unsigned long long)twice, connect_seconds,
           process_rss_kb(options.pid[0]));
}

static void parse_options(int count, char **words) {
    for (int i = 1; i < count; i++) {
        const char *name = words[i];
        if (!strcmp(name, "--eio")) {
            options.eio = true;
            continue;
        }
        if (i + 1 == count) fprintf(stderr, "%s?\n", name), exit(2);
        const char *value = words[++i];
        if (!strcmp(name, "--port") && options.ports < MAX_SERVERS) options.port[options.ports++] = atoi(value);
        else if (!strcmp(name, "--path")) options.path = value;
        else if (!strcmp(name, "--protocol")) options.protocol = value;
        else if (!strcmp(name, "--init") && options.inits < MAX_INITS) options.init[options.inits++] = value;
        else if (!strcmp(name, "--template")) options.message = value;
        else if (!strcmp(name, "--ready")) options.ready = value;
        else if (!strcmp(name, "--ack")) options.ack = value;
        else if (!strcmp(name, "--confirm")) options.confirm = value;
        else if (!strcmp(name, "--conns")) options.connections = atoi(value);
        else if (!strcmp(name, "--rooms")) options.rooms = atoi(value);
        else if (!strcmp(name, "--window")) options.window = atoi(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--warm")) options.warm = atof(value);
        else if (!strcmp(name, "--hold")) options.hold = atof(value);
        else if (!strcmp(name, "--pad")) options.pad = (size_t)atoi(value);
        else if (!strcmp(name, "--pid") && options.pids < MAX_SERVERS) options.pid[options.pids++] = atoi(value);
        else fprintf(stderr, "%s?\n", name), exit(2);
    }
    if (options.pad > 2048) fprintf(stderr, "--pad: at most 2048\n"), exit(2);
    if (options.rooms < 1 || options.connections % options.rooms)
        fprintf(stderr, "--conns must be a multiple of --rooms\n"), exit(2);
}

int main(int count, char **words) {
    parse_options(count, words);
    poller = epoll_create1(0);
    connections = calloc((size_t)options.connections, sizeof *connections);
    published_in = calloc((size_t)options.rooms, sizeof *published_in);
    if (!connections || !published_in) die("memory");
    long rss_before = process_rss_kb(options.pid[0]);
    uint64_t began = now();
    connect_all();
    double connect_seconds = (double)(now() - began) / 1e9;
    if (options.hold > 0) hold(rss_before, connect_seconds);
    else load(connect_seconds);
    return 0;
}
