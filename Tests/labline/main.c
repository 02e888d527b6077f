/* Carries Ethernet frames between two interfaces of this network namespace, late and not all of them.
 *
 * usage: labline INTERFACE INTERFACE SETTINGS SEED
 *
 * The file SETTINGS holds DELAY-MICROSECONDS LOST-PER-MILLION. It is read at the start and at each SIGHUP, so that a line
 * changes without losing what is on its way. Frames keep their order, also when the delay becomes shorter. Each direction
 * holds at most QUEUE_LIMIT frames; what comes on top is dropped, as by a router whose queue is full. Prints "ready" once it
 * carries frames, "set N" after the Nth change, and runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUEUE_LIMIT = 16384, FRAME_LIMIT = 9216 };

struct frame {
    int64_t due;
    size_t size;
    uint8_t *bytes;
};

/* One way: frames read from `from` wait in a ring until they are due and leave by `to`. */
struct direction {
    int from, to;
    int64_t last_due;
    struct frame ring[QUEUE_LIMIT];
    size_t first, count;
};

static struct direction ways[2];
static int64_t delay;
static uint32_t lost_per_million;
static uint64_t random_state;
static volatile sig_atomic_t changed;

static void fail(const char *what) {
    fprintf(stderr, "labline: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* splitmix64 */
static uint64_t next_random(void) {
    uint64_t value = random_state += 0x9e3779b97f4a7c15;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

static void note_change(int signal) {
    (void)signal;
    changed = 1;
}

static void read_settings(const char *path) {
    long long microseconds, lost;
    FILE *file = fopen(path, "re");
    if (!file) fail(path);
    if (fscanf(file, "%lld %lld", &microseconds, &lost) != 2) {
        fprintf(stderr, "labline: %s does not hold a delay and a loss\n", path);
        exit(1);
    }
    fclose(file);
    delay = microseconds * 1000;
    lost_per_million = (uint32_t)lost;
}

static int open_interface(const char *name) {
    int descriptor = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (descriptor < 0) fail("socket");
    int on = 1, buffer = 8 << 20;
    if (setsockopt(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on)) fail("PACKET_IGNORE_OUTGOING");
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    address.sll_ifindex = (int)if_nametoindex(name);
    if (address.sll_ifindex == 0) fail(name);
    if (bind(descriptor, (struct sockaddr *)&address, sizeof address)) fail("bind");
    return descriptor;
}

static void take(struct direction *way) {
    static uint8_t buffer[FRAME_LIMIT];
    for (;;) {
        ssize_t size = recv(way->from, buffer, sizeof buffer, MSG_TRUNC);
        if (size <= 0) return;
        bool is_lost = next_random() % 1000000 < lost_per_million;
        if (is_lost || (size_t)size > sizeof buffer || way->count == QUEUE_LIMIT) continue;
        struct frame *frame = &way->ring[(way->first + way->count) % QUEUE_LIMIT];
        frame->bytes = malloc((size_t)size);
        if (!frame->bytes) continue;
        memcpy(frame->bytes, buffer, (size_t)size);
        frame->size = (size_t)size;
        frame->due = now() + delay;
        if (frame->due < way->last_due) frame->due = way->last_due;
        way->last_due = frame->due;
        way->count++;
    }
}

static void give(struct direction *way) {
    while (way->count > 0 && way->ring[way->first].due <= now()) {
        struct frame *frame = &way->ring[way->first];
        /* A link that is down at this moment loses the frame, as it would. */
        (void)!send(way->to, frame->bytes, frame->size, 0);
        free(frame->bytes);
        way->first = (way->first + 1) % QUEUE_LIMIT;
        way->count--;
    }
}

static int64_t next_due(void) {
    int64_t earliest = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        if (ways[i].count > 0 && ways[i].ring[ways[i].first].due < earliest) earliest = ways[i].ring[ways[i].first].due;
    }
    return earliest;
}

int main(int count, char **arguments) {
    if (count != 5) {
        fprintf(stderr, "usage: labline INTERFACE INTERFACE SETTINGS SEED\n");
        return 64;
    }
    const char *settings = arguments[3];
    read_settings(settings);
    random_state = (uint64_t)atoll(arguments[4]);
    int left = open_interface(arguments[1]), right = open_interface(arguments[2]);
    ways[0].from = ways[1].to = left;
    ways[0].to = ways[1].from = right;

    /* Heard while it waits and at no other time, so that no change is missed. */
    sigset_t others, while_waiting;
    sigemptyset(&others);
    sigaddset(&others, SIGHUP);
    sigprocmask(SIG_BLOCK, &others, &while_waiting);
    sigdelset(&while_waiting, SIGHUP);
    signal(SIGHUP, note_change);

    /* Without this a busy machine adds its own delay; it is not needed to be right. */
    struct sched_param priority = {.sched_priority = 10};
    sched_setscheduler(0, SCHED_RR, &priority);
    puts("ready");
    fflush(stdout);

    for (int changes = 0;;) {
        struct pollfd waiting[2] = {{.fd = left, .events = POLLIN}, {.fd = right, .events = POLLIN}};
        int64_t due = next_due(), wait = due == INT64_MAX ? 1000000000 : due - now();
        if (wait < 0) wait = 0;
        struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
        ppoll(waiting, 2, &timeout, &while_waiting);
        if (changed) {
            changed = 0;
            read_settings(settings);
            printf("set %d\n", ++changes);
            fflush(stdout);
        }
        for (int i = 0; i < 2; i++) {
            take(&ways[i]);
            give(&ways[i]);
        }
    }
}
