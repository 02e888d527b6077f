#include "CLinux.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static uint32_t to_epoll(uint32_t readiness) {
    return (readiness & LINUX_READABLE ? EPOLLIN : 0) | (readiness & LINUX_WRITABLE ? EPOLLOUT : 0) | EPOLLRDHUP;
}

static uint32_t from_epoll(uint32_t events) {
    return (events & EPOLLIN ? LINUX_READABLE : 0) | (events & EPOLLOUT ? LINUX_WRITABLE : 0)
        | (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP) ? LINUX_CLOSED : 0);
}

int linux_epoll_create(void) {
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll < 0 ? -errno : epoll;
}

static int control(int epoll, int operation, int descriptor, uint32_t readiness, uint64_t token) {
    struct epoll_event event = {.events = to_epoll(readiness), .data.u64 = token};
    return epoll_ctl(epoll, operation, descriptor, &event) < 0 ? -errno : 0;
}

int linux_epoll_add(int epoll, int descriptor, uint32_t readiness, uint64_t token) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, readiness, token);
}

int linux_epoll_change(int epoll, int descriptor, uint32_t readiness, uint64_t token) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, readiness, token);
}

int linux_epoll_remove(int epoll, int descriptor) {
    return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

int linux_epoll_wait(int epoll, struct linux_event *events, int capacity, int timeout_ms) {
    enum { BATCH = 64 };
    struct epoll_event ready[BATCH];
    int count = epoll_wait(epoll, ready, capacity < BATCH ? capacity : BATCH, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        events[i] = (struct linux_event){.token = ready[i].data.u64, .readiness = from_epoll(ready[i].events)};
    }
    return count;
}

int linux_wait_or_wake(int descriptor, int wake, int64_t timeout_ns) {
    struct pollfd descriptors[2] = {{.fd = descriptor, .events = POLLIN}, {.fd = wake, .events = POLLIN}};
    struct timespec timeout = {.tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000};
    int count = ppoll(descriptors, 2, timeout_ns < 0 ? NULL : &timeout, NULL);
    return count < 0 && errno != EINTR ? -errno : 0;
}

int linux_wait_ready(int descriptor, uint32_t readiness, int timeout_ms) {
    short events = (readiness & LINUX_READABLE ? POLLIN : 0) | (readiness & LINUX_WRITABLE ? POLLOUT : 0);
    struct pollfd poller = {.fd = descriptor, .events = events};
    int count = poll(&poller, 1, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    return (poller.revents & POLLIN ? LINUX_READABLE : 0) | (poller.revents & POLLOUT ? LINUX_WRITABLE : 0)
        | (poller.revents & (POLLERR | POLLHUP) ? LINUX_CLOSED : 0);
}

int linux_eventfd_create(void) {
    int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int linux_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    return write(descriptor, &one, sizeof one) < 0 ? -errno : 0;
}

int linux_eventfd_clear(int descriptor) {
    uint64_t count;
    return read(descriptor, &count, sizeof count) < 0 ? -errno : 0;
}

int linux_timerfd_create(void) {
    int descriptor = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int linux_timerfd_set(int descriptor, uint64_t nanoseconds) {
    struct itimerspec when = {
        .it_value = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000},
    };
    return timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

int linux_signalfd_create(const int *signals, int count) {
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) return -error;
    int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

int linux_signalfd_read(int descriptor) {
    struct signalfd_siginfo info;
    ssize_t count = read(descriptor, &info, sizeof info);
    return count < 0 ? -errno : (int)info.ssi_signo;
}
