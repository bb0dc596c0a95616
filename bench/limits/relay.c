/* This file is about the least that a relay to a room by TCP can cost: what came in one turn goes to everybody else in
 * one write each. No names, no rooms, no seal, no log.
 *
 *   relay PORT
 *
 * A new connection is greeted with one line end, so that it knows that it is in the room.
 */
#include "common.h"

enum { MOST = 20000, ROOM = 1 << 20, TURN = 256 };

static int members[MOST], places[MOST], count;
static char gathered[ROOM];
static struct { int fd, start, end; } parts[TURN];

static void enter(int listener, int poll)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), on = 1;
    if (fd < 0 || fd >= MOST)
        die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    places[fd] = count, members[count++] = fd;
    send(fd, "\n", 1, MSG_NOSIGNAL);
}

static void leave(int fd)
{
    int place = places[fd];
    members[place] = members[--count], places[members[place]] = place;
    close(fd);
}

/* Blocks while a reader does not read; the load is bounded by its window, so that never lasts. */
static void tell(int member, int turn)
{
    struct iovec pieces[TURN];
    int used = 0;
    for (int i = 0; i < turn; i++) {
        if (parts[i].fd == member)
            continue;
        char *start = gathered + parts[i].start;
        if (used && (char *)pieces[used - 1].iov_base + pieces[used - 1].iov_len == start)
            pieces[used - 1].iov_len += parts[i].end - parts[i].start;
        else
            pieces[used++] = (struct iovec){start, parts[i].end - parts[i].start};
    }
    if (used == 1)
        send(member, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    else if (used)
        (void)!writev(member, pieces, used);
}

int main(int argc, char **argv)
{
    end_with_parent();
    if (argc != 2)
        return 2;
    int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0), on = 1;
    struct sockaddr_in a = loopback(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 1024) < 0)
        die("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[TURN];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    puts("ready");
    for (;;) {
        int ready = epoll_wait(poll, events, TURN, -1), turn = 0, used = 0;
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                enter(listener, poll);
                continue;
            }
            ssize_t got = recv(fd, gathered + used, ROOM - used, MSG_DONTWAIT);
            if (got > 0)
                parts[turn].fd = fd, parts[turn].start = used, parts[turn++].end = used + (int)got, used += got;
            else if (got == 0 || errno != EAGAIN)
                leave(fd);
        }
        if (turn)
            for (int i = count - 1; i >= 0; i--)
                tell(members[i], turn);
    }
}
