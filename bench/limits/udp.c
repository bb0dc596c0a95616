/* This file is about the least that a message and its acknowledgement by UDP can cost: connected sockets, no codec, no
 * seal, no disk.
 *
 *   udp serve PORT                  acknowledge every datagram with its first 8 bytes
 *   udp ping PORT COUNT             one at a time
 *   udp stream PORT COUNT WINDOW [SIZE]   WINDOW datagrams of SIZE (else 100) bytes on the way at once
 */
#include "common.h"

enum { MESSAGE = 100, LARGEST = 1400, ACK = 8 };

static int opened(int port, int is_server)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    struct sockaddr_in a = loopback(port);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if ((is_server ? bind : connect)(fd, (struct sockaddr *)&a, sizeof a) < 0)
        die("udp");
    return fd;
}

static void serve(int port)
{
    int fd = opened(port, 1);
    struct sockaddr_in from;
    char data[2048];
    puts("ready");
    for (;;) {
        /* Each asker begins with a datagram of one byte: it is connected to and answered, then the fast loop runs. */
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size);
        if (got != 1 || connect(fd, (struct sockaddr *)&from, size) < 0)
            continue;
        send(fd, data, 1, 0);
        while ((got = recv(fd, data, sizeof data, 0)) >= ACK)
            send(fd, data, ACK, 0);
        struct sockaddr_in nobody = {.sin_family = AF_UNSPEC};
        send(fd, data, 1, 0); /* one byte again: this asker has done */
        connect(fd, (struct sockaddr *)&nobody, sizeof nobody);
        /* Linux forgets the port too when a socket is disconnected. */
        struct sockaddr_in a = loopback(port);
        bind(fd, (struct sockaddr *)&a, sizeof a);
    }
}

static void one_byte(int fd)
{
    char data[64];
    struct timeval patience = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    send(fd, "!", 1, 0);
    for (ssize_t got = 0; got != 1;)
        if ((got = recv(fd, data, sizeof data, 0)) < 0)
            die("no answer");
}

static void ping(int port, int count)
{
    int fd = opened(port, 0);
    char data[MESSAGE] = {0}, answer[64];
    double *took = malloc(count * sizeof *took), cpu_before, before;
    one_byte(fd);
    cpu_before = cpu(), before = now();
    for (int i = 0; i < count; i++) {
        double start = now();
        send(fd, data, MESSAGE, 0);
        if (recv(fd, answer, sizeof answer, 0) < 0)
            die("lost");
        took[i] = now() - start;
    }
    double seconds = now() - before, spent = cpu() - cpu_before;
    one_byte(fd);
    printf("{\"p50\": %.9f, \"p90\": %.9f, \"seconds\": %.6f, \"cpu\": %.6f}\n", quantile(took, count, 0.5),
           quantile(took, count, 0.9), seconds, spent);
}

static void stream(int port, int count, int window, int size)
{
    int fd = opened(port, 0), sent = 0, acked = 0;
    char data[LARGEST] = {0}, answer[64];
    if (size < ACK || size > LARGEST)
        die("size");
    one_byte(fd);
    double cpu_before = cpu(), before = now();
    while (acked < count) {
        while (sent < count && sent - acked < window && send(fd, data, size, 0) > 0)
            sent++;
        if (recv(fd, answer, sizeof answer, 0) < 0)
            die("lost");
        acked++;
        while (acked < sent && recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
            acked++;
    }
    double seconds = now() - before, spent = cpu() - cpu_before;
    one_byte(fd);
    printf("{\"seconds\": %.6f, \"rate\": %.1f, \"cpu\": %.6f}\n", seconds, count / seconds, spent);
}

int main(int argc, char **argv)
{
    end_with_parent();
    if (argc == 3 && !strcmp(argv[1], "serve"))
        serve(atoi(argv[2]));
    else if (argc == 4 && !strcmp(argv[1], "ping"))
        ping(atoi(argv[2]), atoi(argv[3]));
    else if ((argc == 5 || argc == 6) && !strcmp(argv[1], "stream"))
        stream(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argc == 6 ? atoi(argv[5]) : MESSAGE);
    else
        return 2;
    return 0;
}
