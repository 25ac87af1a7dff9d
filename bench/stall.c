// stall: readers that stop. --sessions subscribers of one topic at full load (a new message goes out while fewer than
// --window are undelivered to those that read); --stalled of them read nothing for --seconds, then catch up.
//
// Prints one JSON object: deliveries a second to those that read, during the stall and while the others catch up,
// and the memory of process --pid. With --stalled 0 it is the measure to compare with.
//
// Who wakes reads what its socket still holds. If the server has hung up meanwhile, it comes back at once with
// restore_session. The load goes on until everyone has caught up, or for --patience seconds; then what is under way is
// waited for. Checked for every session: offsets ascend, and deliveries and messages named as gone are together as
// many as were published. With --gaps 1 every stalled session is to be told of a gap: the log keeps --kept messages,
// and no notice may name one that it still had. With --pause 1 nothing is published from the wake until everyone has
// caught up, and then it has to be exactly one notice: under load the log's end moves on while they read from it.
// Build: gcc -O2 -o stall stall.c
#define _GNU_SOURCE
#include "session.h"

enum { OPEN_SECONDS = 60, DRAIN_SECONDS = 60, DIALING = 256, EVENTS = 64 };
#define TOPIC "topic:load"

static struct {
    int port, pid, sessions, stalled, window, gaps, kept, pause;
    double warm, seconds, patience;
} options = {.port = 8765, .sessions = 1000, .stalled = 100, .window = 8, .kept = 1000, .warm = 2, .seconds = 20,
             .patience = 30};

typedef struct {
    uint64_t gone;  // messages that a gap named
    int gaps, returns;
    uint64_t asked_at;  // the last acknowledged offset when it came back
} Reader;

static int poller;
static Session *sessions, publisher;
static Reader *readers;
static uint64_t published, acks, acked, delivered, wrong_gaps, lost_awake;
static long rss_peak;

static bool is_stalled(const Session *s) { return s->index >= options.sessions - options.stalled; }
static uint64_t awake(void) { return (uint64_t)(options.sessions - options.stalled); }

static void on_delivery(Session *s, uint64_t offset, const WsFrame *frame, uint64_t at) {
    (void)offset, (void)frame, (void)at;
    if (!is_stalled(s)) delivered++;
}

static void on_ack(Session *s, const WsFrame *frame, uint64_t offset) {
    (void)s, (void)frame;
    acks++;
    if (offset > acked) acked = offset;
}

static void on_gap(Session *s, uint64_t to, bool by_restore) {
    Reader *r = &readers[s->index];
    r->gaps++;
    r->gone += to - s->last;
    // What the log kept when the server looked, which was after the session asked and before now, is not gone.
    uint64_t kept = (uint64_t)options.kept, head = acked + (uint64_t)options.window;
    if (to <= s->last || to + kept > head || (by_restore && to + kept < r->asked_at)) wrong_gaps++;
}

static void come_back(Session *s) {
    readers[s->index].returns++;
    readers[s->index].asked_at = acked;
    session_dial(s);
}

static void on_lost(Session *s) {
    if (is_stalled(s)) come_back(s);
    else lost_awake++;
}

static void step(int timeout_ms) {
    static uint64_t looked;
    session_poll(poller, EVENTS, timeout_ms);
    errno = 0;
    if (lost_awake) die("a connection that was read from was lost");
    if (now() - looked < 50000000) return;
    looked = now();
    long rss = process_rss_kb(options.pid);
    if (rss > rss_peak) rss_peak = rss;
}

// Reads and, unless paused, publishes until `end` or, with `done`, until that says so. Returns deliveries to those
// that read.
static uint64_t pump(uint64_t end, bool (*done)(void)) {
    uint64_t before = delivered;
    while (now() < end && !(done && done())) {
        while (!(done && options.pause) && published - delivered / awake() < (uint64_t)options.window) {
            session_publish(&publisher, TOPIC, 0);
            published++;
        }
        step(1);
    }
    return delivered - before;
}

// Whether everyone who stalled is back among those who read, give or take what is in sockets.
static bool caught_up(void) {
    static int next;
    for (int left = options.stalled; left > 0; left--) {
        const Session *s = &sessions[options.sessions - options.stalled + next];
        if (s->phase != OPEN || s->last + 8 * (uint64_t)options.window < sessions[0].last) return false;
        next = (next + 1) % options.stalled;
    }
    return true;
}

static bool all_arrived(void) {
    if (acks < published) return false;
    for (int i = 0; i < options.sessions; i++)
        if (sessions[i].phase != OPEN || sessions[i].last < acked) return false;
    return true;
}

static void open_all(void) {
    sessions = calloc((size_t)options.sessions, sizeof *sessions);
    readers = calloc((size_t)options.sessions, sizeof *readers);
    if (!sessions || !readers) die("memory");
    publisher = (Session){.index = options.sessions, .poller = poller};
    session_dial(&publisher);
    int dialled = 0;
    for (uint64_t end = after(OPEN_SECONDS); sessions_opened < options.sessions + 1; step(10)) {
        for (; dialled < options.sessions && dialled < sessions_opened + DIALING; dialled++) {
            sessions[dialled] = (Session){.index = dialled, .poller = poller, .channel = TOPIC};
            session_dial(&sessions[dialled]);
        }
        errno = 0;
        if (now() > end) die("sessions did not open in time");
    }
}

static void listen_to_stalled(bool on) {
    for (int i = options.sessions - options.stalled; i < options.sessions; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sessions[i]};
        epoll_ctl(poller, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, sessions[i].fd, &event);
    }
}

typedef struct {
    uint64_t missing, twice, wrong_gaps, gone;
    int gaps, returned;
} Outcome;

static Outcome check(void) {
    Outcome out = {.wrong_gaps = wrong_gaps};
    for (int i = 0; i < options.sessions; i++) {
        const Session *s = &sessions[i];
        const Reader *r = &readers[i];
        uint64_t here = s->received - s->disordered + r->gone;
        if (here < published) out.missing += published - here;
        else out.twice += here - published;
        out.twice += s->disordered;
        bool may_repeat = !options.pause && r->gaps > 0;
        int wanted = is_stalled(s) ? options.gaps : 0;
        if (r->gaps != wanted && !(wanted && may_repeat)) out.wrong_gaps++;
        out.gone += r->gone;
        out.gaps += r->gaps;
        out.returned += r->returns > 0;
    }
    return out;
}

static void run(void) {
    open_all();
    pump(after(options.warm), NULL);
    listen_to_stalled(false);
    long rss = rss_peak = process_rss_kb(options.pid);
    double cpu = process_cpu(options.pid, false) + process_cpu(options.pid, true), own = own_cpu();
    uint64_t began = now(), got = pump(after(options.seconds), NULL);
    double seconds = (double)(now() - began) / 1e9, per_s = (double)got / seconds;
    cpu = process_cpu(options.pid, false) + process_cpu(options.pid, true) - cpu, own = own_cpu() - own;
    long grown = rss_peak - rss;

    uint64_t missed = sessions[0].last - (options.stalled ? sessions[options.sessions - 1].last : sessions[0].last);
    double catch_up = 0, meanwhile_per_s = 0;
    bool in_time = true;
    if (options.stalled) {
        listen_to_stalled(true);
        began = now();
        got = pump(after(options.patience), caught_up);
        in_time = caught_up();
        catch_up = (double)(now() - began) / 1e9, meanwhile_per_s = (double)got / catch_up;
    }
    pump(after(.1), NULL);
    for (uint64_t end = after(DRAIN_SECONDS); !all_arrived() && now() < end;) step(10);
    Outcome out = check();
    printf("{\"seconds\": %.2f, \"deliveries_per_s\": %.0f, \"server_cpu\": %.3f, \"load_cpu\": %.3f, "
           "\"rss_kb\": %ld, \"rss_grown_kb\": %ld, \"rss_peak_kb\": %ld, \"missed\": %llu, \"catch_up_s\": %.2f, "
           "\"caught_up_under_load\": %s, \"meanwhile_per_s\": %.0f, ",
           seconds, per_s, cpu / seconds, own / seconds, rss, grown, rss_peak, (unsigned long long)missed, catch_up,
           in_time ? "true" : "false", meanwhile_per_s);
    printf("\"published\": %llu, \"acks\": %llu, \"returned\": %d, \"gaps\": %d, \"gone\": %llu, "
           "\"wrong_gaps\": %llu, \"missing\": %llu, \"twice\": %llu}\n",
           (unsigned long long)published, (unsigned long long)acks, out.returned, out.gaps,
           (unsigned long long)out.gone, (unsigned long long)out.wrong_gaps, (unsigned long long)out.missing,
           (unsigned long long)out.twice);
}

int main(int count, char **words) {
    for (int i = 1; i + 1 < count; i += 2) {
        const char *name = words[i], *value = words[i + 1];
        if (!strcmp(name, "--port")) options.port = atoi(value);
        else if (!strcmp(name, "--pid")) options.pid = atoi(value);
        else if (!strcmp(name, "--sessions")) options.sessions = atoi(value);
        else if (!strcmp(name, "--stalled")) options.stalled = atoi(value);
        else if (!strcmp(name, "--window")) options.window = atoi(value);
        else if (!strcmp(name, "--gaps")) options.gaps = atoi(value);
        else if (!strcmp(name, "--kept")) options.kept = atoi(value);
        else if (!strcmp(name, "--pause")) options.pause = atoi(value);
        else if (!strcmp(name, "--warm")) options.warm = atof(value);
        else if (!strcmp(name, "--seconds")) options.seconds = atof(value);
        else if (!strcmp(name, "--patience")) options.patience = atof(value);
        else fprintf(stderr, "%s?\n", name), exit(2);
    }
    if (options.stalled < 0 || options.stalled >= options.sessions)
        fprintf(stderr, "--stalled must be less than --sessions\n"), exit(2);
    session_port = options.port;
    poller = epoll_create1(0);
    run();
    return 0;
}
