// storm: a recovery storm. --sessions sessions, --room of them in each topic, are cut at once, miss --missed messages,
// and all come back with restore_session, while --live other connections get --rate messages a second.
//
// Prints one JSON object: how long it took from the first reconnect until every session had all that it missed, and
// the latency of the live traffic before and meanwhile. Each delivery is checked: exactly the offsets that the hub
// acknowledged to the publisher, in order, none twice; then one more message in each topic, which must come next.
//
// At most --dialing connections are being opened at a time: a server's listen queue is bounded, and a connection
// that finds it full waits a second in the kernel, which would be measured instead of the server.
// Live messages go out by the clock, and their latency counts from when they were due. Live sockets are read between
// every few others, so that what is measured is not this program's own business.
// Build: gcc -O2 -o storm storm.c
#define _GNU_SOURCE
#include "session.h"

enum { OPEN_SECONDS = 120, STORM_SECONDS = 120, LAST_SECONDS = 30, WINDOW = 64, SLICE = 8 };
#define LIVE_TOPIC "topic:live"

static struct {
    int port, pid, sessions, room, missed, live, dialing;
    double rate, seconds;
} options = {.port = 8765, .sessions = 5000, .room = 100, .missed = 100, .live = 100, .dialing = 512, .rate = 100,
             .seconds = 3};

typedef struct {
    uint64_t *offsets;  // of the messages that the hub acknowledged, in order
    int count;
} Room;

static int storm_poller, live_poller, both;
static Session *sessions, *live, publisher;
static Room *rooms;
static uint64_t asked, acks, wrong, twice, live_sent, live_received, began_live, longest;
static int complete, expected, lost;
static bool counting;

static Room *room_of(const Session *s) { return &rooms[s->index / options.room]; }

static void on_delivery(Session *s, uint64_t offset, const WsFrame *frame, uint64_t at) {
    if (s->poller == live_poller) {
        uint64_t latency = at - mark_time(mark_find(frame));
        if (counting) note_latency(latency);
        if (counting && latency > longest) longest = latency;
        live_received++;
        return;
    }
    uint64_t place = s->received - 1;
    if (offset <= s->last) twice++;
    // The last one may come before its acknowledgement does: it is compared at the end.
    else if (place < (uint64_t)options.missed && room_of(s)->offsets[place] != offset) wrong++;
    if (s->received == (uint64_t)expected) complete++;
}

static void on_ack(Session *s, const WsFrame *frame, uint64_t offset) {
    if (s != &publisher) return;
    Room *room = &rooms[session_number(session_find(frame, NULL, "\"channel\":\"topic:storm"))];
    room->offsets[room->count++] = offset;
    acks++;
}

static void on_gap(Session *s, uint64_t to, bool by_restore) {
    (void)s, (void)to, (void)by_restore;
    errno = 0;
    die("a session was told of a gap");
}

static void on_lost(Session *s) {
    if (lost++ < 3) fprintf(stderr, "connection %d was lost\n", s->index);
}

// Sends the live messages that are due.
static void keep_live(void) {
    uint64_t step = (uint64_t)(1e9 / options.rate);
    for (uint64_t due; (due = began_live + live_sent * step) <= now(); live_sent++)
        session_publish(&live[0], LIVE_TOPIC, due);
}

static void step(void) {
    int timeout_ms = 1;
    if (began_live) {
        keep_live();
        // The kernel counts in milliseconds: the last one before a message is due is not slept through.
        uint64_t due = began_live + live_sent * (uint64_t)(1e9 / options.rate), t = now();
        timeout_ms = due > t + 1000000;
    }
    struct epoll_event event;
    epoll_wait(both, &event, 1, timeout_ms);
    session_poll(live_poller, 256, 0);
    session_poll(storm_poller, SLICE, 0);
    errno = 0;
    if (lost) die("a connection was lost");
}

// Dials `count` sessions, a bounded number at a time, until all are open or, with `done`, until it has reached them.
static void dial_all(Session *of, int count, const int *done, double patience) {
    int dialled = 0, opened_before = sessions_opened;
    for (uint64_t end = after(patience);; step()) {
        int open = sessions_opened - opened_before;
        if ((done ? *done : open) >= count) return;
        for (int pending = dialled - open; dialled < count && pending < options.dialing; pending++)
            session_dial(&of[dialled++]);
        if (now() < end) continue;
        errno = 0;
        fprintf(stderr, "%d of %d open, %d complete, %llu wrong\n", open, count, complete, (unsigned long long)wrong);
        die("sessions did not come in time");
    }
}

static void begin(Session *s, int index, int poller, const char *topic) {
    *s = (Session){.index = index, .poller = poller};
    snprintf(s->channel, sizeof s->channel, "%s", topic);
}

static void open_all(void) {
    int count = options.sessions / options.room;
    sessions = calloc((size_t)options.sessions, sizeof *sessions);
    live = calloc((size_t)options.live, sizeof *live);
    rooms = calloc((size_t)count, sizeof *rooms);
    if (!sessions || !live || !rooms) die("memory");
    for (int i = 0; i < count; i++)
        if (!(rooms[i].offsets = calloc((size_t)options.missed + 1, sizeof(uint64_t)))) die("memory");
    for (int i = 0; i < options.sessions; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "topic:storm%d", i / options.room);
        begin(&sessions[i], i, storm_poller, topic);
    }
    for (int i = 0; i < options.live; i++) begin(&live[i], options.sessions + i, live_poller, LIVE_TOPIC);
    begin(&publisher, options.sessions + options.live, storm_poller, "");
    dial_all(live, options.live, NULL, OPEN_SECONDS);
    dial_all(&publisher, 1, NULL, OPEN_SECONDS);
    dial_all(sessions, options.sessions, NULL, OPEN_SECONDS);
}

// Publishes `each` messages into every topic, topic by topic in turn, and waits for the acknowledgements.
static void publish_everywhere(int each) {
    int count = options.sessions / options.room;
    uint64_t before = asked, all = asked + (uint64_t)(each * count);
    for (uint64_t end = after(OPEN_SECONDS); acks < all; step()) {
        while (asked < all && asked - acks < WINDOW) {
            char topic[32];
            snprintf(topic, sizeof topic, "topic:storm%d", (int)((asked - before) % (uint64_t)count));
            session_publish(&publisher, topic, 0);
            asked++;
        }
        errno = 0;
        if (now() > end) die("not every message was acknowledged");
    }
}

static void measure_live(bool on) {
    if (on) {
        memset(histogram, 0, sizeof histogram);
        counted = longest = 0;
    }
    counting = on;
}

static void rest(double seconds) {
    for (uint64_t end = after(seconds); now() < end;) step();
}

static void run(void) {
    long rss_before = process_rss_kb(options.pid);
    open_all();
    began_live = now();
    rest(1);
    measure_live(true);
    rest(options.seconds);
    measure_live(false);
    double p50_before = percentile_ms(.5), p99_before = percentile_ms(.99);

    for (int i = 0; i < options.sessions; i++) session_cut(&sessions[i]);
    expected = options.missed;
    publish_everywhere(options.missed);
    long rss_away = process_rss_kb(options.pid);

    measure_live(true);
    uint64_t began = now(), live_before = live_received;
    double cpu = process_cpu(options.pid, false) + process_cpu(options.pid, true), own = own_cpu();
    dial_all(sessions, options.sessions, &complete, STORM_SECONDS);
    double seconds = (double)(now() - began) / 1e9;
    cpu = process_cpu(options.pid, false) + process_cpu(options.pid, true) - cpu, own = own_cpu() - own;
    measure_live(false);
    double p50 = percentile_ms(.5), p99 = percentile_ms(.99), longest_ms = (double)longest / 1e6;
    uint64_t live_meanwhile = live_received - live_before;

    complete = 0;
    expected = options.missed + 1;
    publish_everywhere(1);
    for (uint64_t end = after(LAST_SECONDS); complete < options.sessions && now() < end;) step();
    uint64_t missing = 0;
    for (int i = 0; i < options.sessions; i++) {
        Session *s = &sessions[i];
        if (s->received < (uint64_t)expected) missing += (uint64_t)expected - s->received;
        else if (s->received > (uint64_t)expected || s->last != room_of(s)->offsets[options.missed]) wrong++;
    }
    printf("{\"sessions\": %d, \"missed\": %d, \"seconds\": %.3f, \"sessions_per_s\": %.0f, "
           "\"deliveries_per_s\": %.0f, \"live_per_s\": %.0f, \"server_cpu\": %.2f, \"load_cpu\": %.2f, ",
           options.sessions, options.missed, seconds, options.sessions / seconds,
           (double)options.sessions * options.missed / seconds, (double)live_meanwhile / seconds, cpu / seconds,
           own / seconds);
    printf("\"p50_before_ms\": %.2f, \"p99_before_ms\": %.2f, \"p50_ms\": %.2f, \"p99_ms\": %.2f, "
           "\"longest_ms\": %.2f, \"rss_before_kb\": %ld, \"rss_away_kb\": %ld, \"rss_after_kb\": %ld, "
           "\"missing\": %llu, \"wrong\": %llu, \"twice\": %llu}\n",
           p50_before, p99_before, p50, p99, longest_ms, rss_before, rss_away, process_rss_kb(options.pid),
           (unsigned long long)missing, (unsigned long long)wrong, (unsigned long long)twice);
}

int main(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--pid")) options.pid = atoi(value);
        else if (!strcmp(name, "--sessions")) options.sessions = atoi(value);
        else if (!strcmp(name, "--room")) options.room = atoi(value);
        else if (!strcmp(name, "--missed")) options.missed = atoi(value);
        else if (!strcmp(name, "--live")) options.live = atoi(value);
        else if (!strcmp(name, "--dialing")) options.dialing = atoi(value);
        else if (!strcmp(name, "--rate")) options.rate = atof(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else fprintf(stderr, "%s?\n", name), exit(2);
    }
    if (options.room < 1 || options.sessions % options.room || options.live < 1)
        fprintf(stderr, "--sessions must be a multiple of --room, and --live at least 1\n"), exit(2);
    session_port = options.port;
    storm_poller = epoll_create1(0), live_poller = epoll_create1(0), both = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(both, EPOLL_CTL_ADD, storm_poller, &event);
    epoll_ctl(both, EPOLL_CTL_ADD, live_poller, &event);
    run();
    return 0;
}
