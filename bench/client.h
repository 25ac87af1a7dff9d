// The client's side of a connection: dial, upgrade, write.
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Noreturn static inline void die(const char *what) {
    if (errno) perror(what);
    else fprintf(stderr, "%s\n", what);
    exit(1);
}

static inline void write_all(int fd, const void *data, size_t length) {
    const uint8_t *at = data;
    while (length) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EAGAIN) {
            usleep(50);
            continue;
        }
        if (n < 0) die("write");
        at += n;
        length -= (size_t)n;
    }
}

// Connects and asks for the upgrade; returns a blocking socket on which the server's answer is to come.
static inline int ws_dial(int port, const char *path, const char *protocol, int patience_seconds) {
    char text[8192];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = patience_seconds};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0) die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) die("connect");
    int length = snprintf(text, sizeof text,
                          "GET %s HTTP/1.1\r\nHost: localhost:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                          path, port, protocol ? "Sec-WebSocket-Protocol: " : "", protocol ? protocol : "",
                          protocol ? "\r\n" : "");
    write_all(fd, text, (size_t)length);
    return fd;
}

// Connects and upgrades; returns a blocking socket of which nothing after the server's answer has been read.
static inline int ws_connect(int port, const char *path, const char *protocol, int patience_seconds) {
    char text[8192];
    int got, fd = ws_dial(port, path, protocol, patience_seconds);
    // Peek first, so that frames which follow the answer in the same packet stay in the socket for the parser.
    char *end = NULL;
    do {
        if ((got = (int)recv(fd, text, sizeof text - 1, MSG_PEEK)) <= 0) die("handshake");
        text[got] = 0;
    } while (!(end = strstr(text, "\r\n\r\n")));
    errno = 0;
    if (!strstr(text, " 101 ")) fprintf(stderr, "%s\n", text), die("no upgrade");
    if (recv(fd, text, (size_t)(end + 4 - text), 0) < 0) die("handshake");
    return fd;
}

#endif
