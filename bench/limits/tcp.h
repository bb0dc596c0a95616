/* This file is about connections of the load generator: opened or taken over, read, and what came on them counted.
 *
 * A delivery is counted, not looked into: by a byte that stands once in each message, or, on our own links, by the
 * length before each frame and the kind byte behind it. Equal work for all servers.
 */
#ifndef BENCH_TCP_H
#define BENCH_TCP_H

#include "common.h"

struct conn {
    int fd, place;
    long count;       /* deliveries so far */
    uint32_t need;    /* bytes of the present frame that are still to come */
    uint8_t head[5];  /* length and kind of the present frame, as far as they are here */
    int have;
    int step;         /* how far the joining is */
    char tail[24];    /* the last bytes of the read before: what is looked for may be cut */
    int tail_size;
};

static int quick_ack = 1, frame_kind, marker;
static char inbox[1 << 18];

static inline void set_up(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

static inline int connected(int port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("connect");
    set_up(fd);
    return fd;
}

/* Reads once. The bytes stand in `inbox`. Servers that leave Nagle's algorithm on would idle for 40 ms a message if the
 * acknowledgement were not sent at once. */
static inline ssize_t pull(struct conn *c)
{
    ssize_t got = recv(c->fd, inbox, sizeof inbox, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        die("a connection was closed by the server");
    if (got > 0 && quick_ack) {
        int on = 1;
        setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    }
    return got > 0 ? got : 0;
}

static inline long count_marks(const char *data, ssize_t size)
{
    long count = 0;
    const char *end = data + size;
    while ((data = memchr(data, marker, end - data)) != NULL)
        count++, data++;
    return count;
}

static inline long count_frames(struct conn *c, const uint8_t *data, ssize_t size)
{
    long count = 0;
    while (size > 0) {
        if (c->have < 5) { /* four bytes of length and the kind byte */
            c->head[c->have++] = *data++, size--;
            if (c->have < 5)
                continue;
            c->need = ((uint32_t)c->head[0] << 24 | c->head[1] << 16 | c->head[2] << 8 | c->head[3]) - 1;
        }
        uint32_t step = c->need < (uint32_t)size ? c->need : (uint32_t)size;
        c->need -= step, data += step, size -= step;
        if (c->need == 0) {
            count += c->head[4] == frame_kind;
            c->have = 0;
        }
    }
    return count;
}

static inline long count_new(struct conn *c, ssize_t size)
{
    return frame_kind ? count_frames(c, (uint8_t *)inbox, size) : count_marks(inbox, size);
}

/* Frames to be sent, one after the other: u32 (big endian) length, bytes. The file may hold many turns' worth. */
struct script {
    char *data;
    size_t size, at;
};

static inline struct script script_of(const char *path)
{
    struct script s = {0};
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    fseek(file, 0, SEEK_END);
    s.size = ftell(file);
    rewind(file);
    s.data = malloc(s.size + 1);
    if (fread(s.data, 1, s.size, file) != s.size)
        die(path);
    fclose(file);
    return s;
}

static inline char *next_piece(struct script *s, size_t *size)
{
    uint8_t *at = (uint8_t *)s->data + s->at;
    if (s->at + 4 > s->size) {
        errno = 0;
        die("the script is at its end");
    }
    *size = (size_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
    s->at += 4 + *size;
    return (char *)at + 4;
}

static inline void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t done = send(fd, data, size, MSG_NOSIGNAL);
        if (done <= 0)
            die("send");
        data += done, size -= done;
    }
}

#endif
