/* Sends probes between two hosts, each in a network namespace of its own, and records when each arrived and was answered.
 *
 * usage: labmeter RECORD INTERVAL-MICROSECONDS TCP-BYTES NAMESPACE ADDRESS NAMESPACE ADDRESS
 *
 * Both ends are in this one process and read one clock. Every interval each end sends the other a UDP probe, which is
 * answered at once; with TCP-BYTES above 0 it also writes that much into a TCP connection between the two, whose bytes follow
 * from their position and are checked where they arrive. A probe whose time passed while the process did not run is not sent.
 *
 * Prints "ready", then now and then "answered N behind BYTES": what one of the two should have read of the connection by now
 * and has not. At SIGTERM it writes RECORD, times in nanoseconds of CLOCK_MONOTONIC, 0
 * for what did not happen, and ends. Lines, of end 0 and end 1:
 *
 *   interval BEGIN NANOSECONDS
 *   probe END NUMBER SENT ARRIVED ANSWERED COPIES-ARRIVED
 *   chunk END ARRIVED BYTES                  read from the connection
 *   flow END SENT-BYTES RECEIVED-BYTES WRONG-BYTES IS-OPEN RETRANSMITS REORDERINGS DUPLICATES OUT-OF-ORDER
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PROBE_LIMIT = 200000, CHUNK_LIMIT = 200000, PORT = 7077, MAGIC = 0x6b6d7072, PROGRESS = 20 };

struct message {
    uint32_t magic, is_answer, number;
    uint8_t padding[52];
};

struct probe {
    int64_t sent, arrived, answered;
    uint32_t copies;
};

struct chunk {
    int64_t arrived;
    size_t bytes;
};

struct end {
    const char *namespace, *address;
    struct sockaddr_storage here;
    socklen_t length;
    int datagrams, stream;
    struct probe probes[PROBE_LIMIT];
    struct chunk chunks[CHUNK_LIMIT];
    size_t chunk_count;
    uint64_t written, read, wrong, owed;
    bool is_broken;
};

static struct end ends[2];
static int64_t begin, interval;
static uint32_t answered_count;
static volatile sig_atomic_t is_over;

static void fail(const char *what) {
    fprintf(stderr, "labmeter: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void end_at_signal(int signal) {
    (void)signal;
    is_over = 1;
}

static void parse_address(struct end *end) {
    struct sockaddr_in *v4 = (struct sockaddr_in *)&end->here;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&end->here;
    if (inet_pton(AF_INET, end->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(PORT);
        end->length = sizeof *v4;
    } else if (inet_pton(AF_INET6, end->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(PORT);
        end->length = sizeof *v6;
    } else {
        fprintf(stderr, "labmeter: '%s' is no address\n", end->address);
        exit(64);
    }
}

static void enter(const char *namespace) {
    int descriptor = open(namespace, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || setns(descriptor, 0)) fail(namespace);
    close(descriptor);
}

static int open_bound(struct end *end, int type) {
    int descriptor = socket(end->here.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    if (descriptor < 0) fail("socket");
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(descriptor, (struct sockaddr *)&end->here, end->length)) fail(end->address);
    return descriptor;
}

/* The connection is begun by end 0 and stands before the first probe, so that the meter measures a flow that exists. */
static void connect_stream(void) {
    int on = 1;
    enter(ends[1].namespace);
    int listener = open_bound(&ends[1], SOCK_STREAM);
    if (listen(listener, 1)) fail("listen");
    enter(ends[0].namespace);
    ends[0].stream = socket(ends[0].here.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(ends[0].stream, (struct sockaddr *)&ends[1].here, ends[1].length)) fail("connect");
    fcntl(ends[0].stream, F_SETFL, O_NONBLOCK);
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    poll(&waiting, 1, 10000);
    ends[1].stream = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (ends[1].stream < 0) fail("accept");
    for (int i = 0; i < 2; i++) setsockopt(ends[i].stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    close(listener);
}

static void send_message(int from, uint32_t is_answer, uint32_t number) {
    struct message message = {.magic = MAGIC, .is_answer = is_answer, .number = number};
    struct end *other = &ends[1 - from];
    /* Without a route or against a firewall the probe is lost, as on the way. */
    (void)!sendto(ends[from].datagrams, &message, sizeof message, 0, (struct sockaddr *)&other->here, other->length);
}

static uint64_t bytes_behind(void) {
    uint64_t most = 0;
    for (int i = 0; i < 2; i++) {
        uint64_t behind = ends[i].written + ends[i].owed - ends[1 - i].read;
        if (behind > most) most = behind;
    }
    return most;
}

static void receive_messages(int at) {
    struct message message;
    for (;;) {
        ssize_t size = recv(ends[at].datagrams, &message, sizeof message, 0);
        if (size < 0 && errno == ECONNREFUSED) continue;
        if (size < 0) return;
        if (size != sizeof message || message.magic != MAGIC || message.number >= PROBE_LIMIT) continue;
        struct probe *probe = &ends[message.is_answer ? at : 1 - at].probes[message.number];
        if (message.is_answer) {
            if (probe->answered) continue;
            probe->answered = now();
            if (answered_count++ % PROGRESS == 0) {
                printf("answered %u behind %llu\n", answered_count, (unsigned long long)bytes_behind());
                fflush(stdout);
            }
        } else {
            probe->copies++;
            if (probe->copies > 1) continue;
            probe->arrived = now();
            send_message(at, 1, message.number);
        }
    }
}

/* The byte at a position of what an end sends: no two that are near each other are alike, nor those of the two ends. */
static uint8_t byte_at(int sender, uint64_t position) { return (uint8_t)((position * 167 + (position >> 8)) ^ sender); }

static void write_stream(int from) {
    struct end *end = &ends[from];
    uint8_t bytes[4096];
    while (end->owed > 0) {
        size_t size = end->owed < sizeof bytes ? end->owed : sizeof bytes;
        for (size_t i = 0; i < size; i++) bytes[i] = byte_at(from, end->written + i);
        ssize_t sent = send(end->stream, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) end->is_broken = true;
        if (sent <= 0) return;
        end->written += (uint64_t)sent;
        end->owed -= (uint64_t)sent;
    }
}

static void read_stream(int at) {
    struct end *end = &ends[at];
    uint8_t bytes[16384];
    ssize_t size;
    while ((size = recv(end->stream, bytes, sizeof bytes, 0)) > 0) {
        for (ssize_t i = 0; i < size; i++) end->wrong += bytes[i] != byte_at(1 - at, end->read + (uint64_t)i);
        end->read += (uint64_t)size;
        if (end->chunk_count < CHUNK_LIMIT) end->chunks[end->chunk_count++] = (struct chunk){now(), (size_t)size};
    }
    if (size == 0 || errno != EAGAIN) end->is_broken = true;
}

static void write_record(const char *path, uint32_t probe_count, bool has_stream) {
    FILE *file = fopen(path, "we");
    if (!file) fail(path);
    fprintf(file, "interval %lld %lld\n", (long long)begin, (long long)interval);
    for (int i = 0; i < 2; i++) {
        struct end *end = &ends[i];
        for (uint32_t number = 0; number < probe_count; number++) {
            struct probe *probe = &end->probes[number];
            if (probe->sent == 0) continue;
            fprintf(
                file, "probe %d %u %lld %lld %lld %u\n", i, number, (long long)probe->sent, (long long)probe->arrived,
                (long long)probe->answered, probe->copies);
        }
        for (size_t number = 0; number < end->chunk_count; number++) {
            fprintf(file, "chunk %d %lld %zu\n", i, (long long)end->chunks[number].arrived, end->chunks[number].bytes);
        }
        if (!has_stream) continue;
        struct tcp_info info = {0};
        socklen_t length = sizeof info;
        getsockopt(end->stream, IPPROTO_TCP, TCP_INFO, &info, &length);
        fprintf(
            file, "flow %d %llu %llu %llu %d %u %u %u %u\n", i, (unsigned long long)end->written,
            (unsigned long long)end->read, (unsigned long long)end->wrong, !end->is_broken, info.tcpi_total_retrans,
            info.tcpi_reord_seen, info.tcpi_dsack_dups, info.tcpi_rcv_ooopack);
    }
    if (fclose(file)) fail(path);
}

int main(int count, char **arguments) {
    if (count != 8) {
        fprintf(stderr, "usage: labmeter RECORD INTERVAL-MICROSECONDS TCP-BYTES NAMESPACE ADDRESS NAMESPACE ADDRESS\n");
        return 64;
    }
    interval = atoll(arguments[2]) * 1000;
    uint64_t stream_bytes = (uint64_t)atoll(arguments[3]);
    for (int i = 0; i < 2; i++) {
        ends[i].namespace = arguments[4 + 2 * i];
        ends[i].address = arguments[5 + 2 * i];
        parse_address(&ends[i]);
        enter(ends[i].namespace);
        ends[i].datagrams = open_bound(&ends[i], SOCK_DGRAM);
        ends[i].stream = -1;
    }
    signal(SIGTERM, end_at_signal);
    if (stream_bytes > 0) connect_stream();

    /* Neither is needed to be right: without them the record shows more probes that were not sent. */
    mlockall(MCL_CURRENT);
    struct sched_param priority = {.sched_priority = 20};
    sched_setscheduler(0, SCHED_RR, &priority);
    begin = now();
    puts("ready");
    fflush(stdout);

    uint32_t next = 0;
    while (!is_over && next < PROBE_LIMIT) {
        int64_t time = now();
        if (time >= begin + next * interval) {
            uint32_t due = (uint32_t)((time - begin) / interval);
            if (due >= PROBE_LIMIT) break;
            for (int i = 0; i < 2; i++) {
                ends[i].probes[due].sent = now();
                send_message(i, 0, due);
                ends[i].owed += stream_bytes * (due + 1 - next);
                if (stream_bytes > 0) write_stream(i);
            }
            next = due + 1;
        }
        struct pollfd waiting[4];
        for (int i = 0; i < 2; i++) {
            waiting[i] = (struct pollfd){.fd = ends[i].datagrams, .events = POLLIN};
            waiting[2 + i] = (struct pollfd){.fd = ends[i].is_broken ? -1 : ends[i].stream, .events = POLLIN};
        }
        int64_t rest = begin + next * interval - now();
        if (rest < 0) rest = 0;
        struct timespec timeout = {.tv_sec = rest / 1000000000, .tv_nsec = rest % 1000000000};
        if (ppoll(waiting, 4, &timeout, NULL) <= 0) continue;
        for (int i = 0; i < 2; i++) {
            if (waiting[i].revents) receive_messages(i);
            if (waiting[2 + i].revents) read_stream(i);
        }
    }
    write_record(arguments[1], next, stream_bytes > 0);
    return 0;
}
