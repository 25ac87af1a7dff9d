// The limit: a WebSocket server that does nothing but one send() a connection and message, in one epoll thread.
//
// No protocol, no log, no heartbeat. The URL's last part is the room's number; what a member sends goes to all
// members as it came. Usage: cloop PORT. Build: gcc -O2 -o cloop cloop.c
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../ws.h"

enum { MAX_FDS = 20000, MAX_ROOMS = 1024, EVENTS = 512, READ_SIZE = 1 << 16, GREETING = 16 };

typedef struct {
    int room;         // -1: not upgraded
    uint8_t *in;      // an incomplete frame or request
    size_t in_length;
    uint8_t *out;     // what the socket did not take
    size_t out_length;
} Peer;

typedef struct {
    int *members;
    int count, capacity;
} Room;

static Peer peers[MAX_FDS];
static Room rooms[MAX_ROOMS];
static int poller;

static void watch(int fd, uint32_t events, int operation) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poller, operation, fd, &event);
}

static void keep(uint8_t **buffer, size_t *length, const void *data, size_t more) {
    *buffer = realloc(*buffer, *length + more);
    if (!*buffer) abort();
    memcpy(*buffer + *length, data, more);
    *length += more;
}

static void send_to(int fd, const void *data, size_t length) {
    Peer *peer = &peers[fd];
    ssize_t sent = 0;
    if (!peer->out_length) {
        sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent == (ssize_t)length) return;
        if (sent < 0 && errno != EAGAIN) return;  // the reading side sees that it is gone
        if (sent < 0) sent = 0;
        watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    keep(&peer->out, &peer->out_length, (const uint8_t *)data + sent, length - (size_t)sent);
}

static void flush(int fd) {
    Peer *peer = &peers[fd];
    ssize_t sent = send(fd, peer->out, peer->out_length, MSG_NOSIGNAL);
    if (sent <= 0) return;
    peer->out_length -= (size_t)sent;
    memmove(peer->out, peer->out + sent, peer->out_length);
    if (!peer->out_length) watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void leave(int fd) {
    Peer *peer = &peers[fd];
    if (peer->room >= 0) {
        Room *room = &rooms[peer->room];
        for (int i = 0; i < room->count; i++)
            if (room->members[i] == fd) room->members[i--] = room->members[--room->count];
    }
    free(peer->in);
    free(peer->out);
    *peer = (Peer){.room = -1};
    close(fd);
}

static void enter(int fd, int number) {
    Room *room = &rooms[number];
    if (room->count == room->capacity) {
        room->capacity = room->capacity ? 2 * room->capacity : 16;
        room->members = realloc(room->members, (size_t)room->capacity * sizeof *room->members);
        if (!room->members) abort();
    }
    room->members[room->count++] = fd;
    peers[fd].room = number;
}

// Returns how much of the data was the request, 0 while it is incomplete.
static size_t upgrade(int fd, const uint8_t *data, size_t length) {
    // The accept key is a constant, since the load generator's key is one: this serves nobody else.
    static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end) return 0;
    const uint8_t *line = memmem(data, length, " HTTP/", 6), *digits = line;
    while (digits && digits > data && digits[-1] >= '0' && digits[-1] <= '9') digits--;
    int number = digits ? atoi((const char *)digits) : 0;
    enter(fd, number >= 0 && number < MAX_ROOMS ? number : 0);
    send_to(fd, answer, sizeof answer - 1);
    uint8_t greeting[GREETING];
    send_to(fd, greeting, ws_write_frame(greeting, WS_TEXT, "joined", 6, false));
    return (size_t)(end + 4 - data);
}

static void broadcast(int number, const WsFrame *frame) {
    static uint8_t out[READ_SIZE + WS_MAX_HEADER];
    size_t length = ws_write_frame(out, frame->opcode, frame->payload, frame->length, false);
    Room *room = &rooms[number];
    for (int i = 0; i < room->count; i++) send_to(room->members[i], out, length);
}

static void on_readable(int fd) {
    static uint8_t buffer[READ_SIZE];
    Peer *peer = &peers[fd];
    size_t before = peer->in_length;
    if (before) memcpy(buffer, peer->in, before);
    ssize_t got = read(fd, buffer + before, sizeof buffer - before);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        leave(fd);
        return;
    }
    uint8_t *data = buffer;
    size_t left = before + (size_t)got, size;
    if (peer->room < 0 && (size = upgrade(fd, data, left))) data += size, left -= size;
    WsFrame frame;
    while (peer->room >= 0 && (size = ws_parse_frame(data, left, &frame))) {
        if (frame.opcode == WS_TEXT) broadcast(peer->room, &frame);
        data += size;
        left -= size;
    }
    peer->in_length = 0;
    if (left) keep(&peer->in, &peer->in_length, data, left);
}

static void on_connection(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        peers[fd] = (Peer){.room = -1};
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

int main(int count, char **words) {
    int port = count > 1 ? atoi(words[1]) : 8765, one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) {
        perror("listen");
        return 1;
    }
    poller = epoll_create1(0);
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                on_connection(listener);
                continue;
            }
            if (events[i].events & EPOLLOUT) flush(fd);
            if (events[i].events & ~(uint32_t)EPOLLOUT) on_readable(fd);
        }
    }
}
