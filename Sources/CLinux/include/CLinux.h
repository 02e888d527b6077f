// What Swift's Glibc module lacks: functions behind _GNU_SOURCE, macros that do not import, variadic calls.
//
// Every function returns -errno when it fails. No structure of the kernel's appears here: addresses travel as
// `struct linux_address`, messages as `struct linux_outgoing` and `struct linux_incoming`.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// MARK: errors

/// The symbolic name of an error number ("EPERM"), or "UNKNOWN".
const char *linux_error_name(int code);
/// The text of an error number ("Operation not permitted").
const char *linux_error_text(int code);

// MARK: readiness

enum {
    LINUX_READABLE = 1,
    LINUX_WRITABLE = 2,
    /// The other side is gone or the descriptor is in error; always reported.
    LINUX_CLOSED = 4,
};

struct linux_event {
    uint64_t token;
    uint32_t readiness;
};

int linux_epoll_create(void);
int linux_epoll_add(int epoll, int descriptor, uint32_t readiness, uint64_t token);
int linux_epoll_change(int epoll, int descriptor, uint32_t readiness, uint64_t token);
int linux_epoll_remove(int epoll, int descriptor);
/// Waits until something is ready; `timeout_ms` -1 means for ever. Returns the count; an interruption counts as none.
int linux_epoll_wait(int epoll, struct linux_event *events, int capacity, int timeout_ms);
/// Waits until `descriptor` or `wake` is readable or in error, at most `timeout_ns`; -1 means for ever.
int linux_wait_or_wake(int descriptor, int wake, int64_t timeout_ns);
/// Waits until `descriptor` has some of `readiness`; 0 when `timeout_ms` went by.
int linux_wait_ready(int descriptor, uint32_t readiness, int timeout_ms);

int linux_eventfd_create(void);
/// Makes the eventfd readable.
int linux_eventfd_signal(int descriptor);
/// Makes the eventfd (or timerfd) unreadable again.
int linux_eventfd_clear(int descriptor);

/// A timer on CLOCK_BOOTTIME.
int linux_timerfd_create(void);
/// Arms the timer for an absolute time; 0 disarms it.
int linux_timerfd_set(int descriptor, uint64_t nanoseconds);

/// Blocks the signals in the calling thread and opens a descriptor that reports them.
int linux_signalfd_create(const int *signals, int count);
/// The next pending signal's number, or -EAGAIN.
int linux_signalfd_read(int descriptor);

// MARK: directories

enum {
    /// An entry is there now, or has other attributes or another target.
    LINUX_ENTRY_APPEARED = 1,
    LINUX_ENTRY_GONE = 2,
    /// Somebody writes into the file, and has it open still.
    LINUX_ENTRY_WRITING = 4,
    /// Nobody who wrote has it open any more.
    LINUX_ENTRY_WRITTEN = 8,
    /// The directory itself is gone or elsewhere: the watch has ended.
    LINUX_DIRECTORY_GONE = 16,
    /// Events were lost.
    LINUX_EVENTS_LOST = 32,
    /// The most that one call reads.
    LINUX_DIRECTORY_EVENTS = 64,
};

struct linux_directory_event {
    int watch;
    uint32_t what;
    char name[256];
};

/// Directories that are watched (inotify), non-blocking; `linux_watch_directory` gives the number in the events.
int linux_directory_events_create(void);
int linux_watch_directory(int descriptor, const char *path);
int linux_unwatch_directory(int descriptor, int watch);
/// Returns how many events were read; 0 when there are none. `capacity` is LINUX_DIRECTORY_EVENTS at least.
int linux_read_directory_events(int descriptor, struct linux_directory_event *events, int capacity);

// MARK: clocks, randomness, process

uint64_t linux_boot_time_nanoseconds(void);
void linux_wall_time(int64_t *seconds, uint32_t *nanoseconds);
int linux_random(void *buffer, size_t count);

/// Starts a thread with every signal blocked, so that only signalfd sees them.
int linux_thread_start(const char *name, void *(*body)(void *), void *argument, uint64_t *thread);
int linux_thread_join(uint64_t thread);
/// Nobody will join the thread: what it holds goes when it ends.
int linux_thread_detach(uint64_t thread);
uint64_t linux_thread_self(void);

/// Moves the calling thread into the network namespace that `descriptor` names.
int linux_enter_network_namespace(int descriptor);
/// Moves the calling thread into a fresh network namespace.
int linux_new_network_namespace(void);
/// Keeps only the capabilities of `mask` (bit n = capability n), in every set of the calling thread.
int linux_keep_capabilities(uint64_t mask);
/// The effective capabilities of the calling thread.
int linux_effective_capabilities(uint64_t *mask);
/// Forbids core dumps and attaching debuggers without privilege.
int linux_forbid_dumping(void);
/// Forbids gaining privileges by running set-uid programs.
int linux_forbid_new_privileges(void);

/// Unmaps the pages of program and library code until they are needed again.
int linux_release_code_pages(void);

// MARK: TUN

enum {
    LINUX_TUN_CHECKSUM = 0x01,
    LINUX_TUN_TSO4 = 0x02,
    LINUX_TUN_TSO6 = 0x04,
    LINUX_TUN_USO = 0x60,
};

/// Opens an interface whose reads and writes carry a 10-byte virtio-net header, non-blocking.
int linux_tun_open(const char *name);
int linux_tun_set_offloads(int descriptor, unsigned offloads);
/// Whether the interface outlives the descriptor.
int linux_tun_set_persistent(int descriptor, bool persistent);

// MARK: sockets

/// family 0: no address.
struct linux_address {
    uint8_t family;  // 4 or 6
    uint16_t port;   // host order
    uint32_t scope;  // interface index of a link-local IPv6 address
    uint8_t bytes[16];
};

/// A datagram or, with `segment` > 0, a run of datagrams of `segment` bytes each, the last one shorter or equal.
struct linux_outgoing {
    const void *data;
    uint32_t length;
    uint16_t segment;
    /// Family 0: whom the descriptor is connected to.
    struct linux_address destination;
    /// The local address to leave from; family 0 lets routing choose. Its `scope` is the interface to leave by, 0 for any.
    struct linux_address source;
    /// Routers that the datagram may pass, and the host that it may reach; 0 leaves it to the system.
    uint8_t hop_limit;
};

struct linux_incoming {
    void *data;
    uint32_t length;
    /// Bytes of each datagram when the kernel joined several (UDP_GRO), else 0.
    uint32_t segment;
    struct linux_address source;
    /// The local address that it was sent to; its `scope` is the interface index.
    struct linux_address destination;
    bool truncated;
};

/// A non-blocking UDP socket of one family (IPv6 sockets take no IPv4), with packet information and without DF.
int linux_udp_open(int family, bool want_gro);
/// `has_gro` tells whether the kernel joins datagrams on receipt.
int linux_udp_has_gro(int descriptor);
/// Asks for buffers of `bytes`: as root beyond the system's limit, otherwise up to it.
int linux_set_buffers(int descriptor, int bytes);
int linux_set_mark(int descriptor, uint32_t mark);
/// Lets others bind the same port; each gets its copy of a multicast datagram. Before `linux_bind`.
int linux_share_port(int descriptor);
int linux_bind(int descriptor, const struct linux_address *address);
int linux_bound_address(int descriptor, struct linux_address *address);
/// Datagrams go to `address`, and come from there only, from now on.
int linux_connect(int descriptor, const struct linux_address *address);
/// Another descriptor of the same open socket.
int linux_duplicate(int descriptor);
/// One sendmmsg, which never waits. Returns how many messages left; -errno is that of the first message.
int linux_send(int descriptor, const struct linux_outgoing *messages, int count);

/// Buffers for one recvmmsg.
struct linux_receiver;
struct linux_receiver *linux_receiver_create(int count, size_t buffer_bytes);
void linux_receiver_destroy(struct linux_receiver *receiver);
/// Returns how many messages came; -EAGAIN when there are none.
int linux_receive(int descriptor, struct linux_receiver *receiver);
/// Message `index` of the last receive; valid until the next.
const struct linux_incoming *linux_received(const struct linux_receiver *receiver, int index);

/// A non-blocking listening stream socket; replaces a stale socket file, refuses (-EADDRINUSE) a live one.
int linux_unix_listen(const char *path, unsigned mode);
/// A blocking stream socket connected to `path`.
int linux_unix_connect(const char *path);
/// A non-blocking stream socket connected to `path`; -EAGAIN where that would have to wait.
int linux_unix_connect_now(const char *path);
/// A non-blocking accepted connection.
int linux_unix_accept(int descriptor);
int linux_unix_credentials(int descriptor, int32_t *process, uint32_t *user, uint32_t *group);
/// Two non-blocking sockets that are each other's ends; they keep messages apart and in order, and one notices that the other
/// is closed.
int linux_datagram_pair(int *near, int *far);
/// send() that never raises SIGPIPE.
ssize_t linux_send_bytes(int descriptor, const void *bytes, size_t count);

/// A non-blocking stream socket on its way to `address`; writable, or in error, when the outcome is known. It comes from
/// `source`; family 0 lets routing choose.
int linux_tcp_connect(const struct linux_address *address, const struct linux_address *source);
/// A non-blocking listening socket of one family.
int linux_tcp_listen(const struct linux_address *address, int backlog);
/// The next waiting connection, non-blocking, or -EAGAIN.
int linux_tcp_accept(int listener, struct linux_address *remote);
/// 0, or the -errno that the socket met since it was last asked.
int linux_socket_error(int descriptor);
/// Looks up a host's addresses, which may take many seconds; returns how many. -EAGAIN: no server answered, -ENOENT: none.
int linux_resolve(const char *host, uint16_t port, struct linux_address *addresses, int capacity);

// MARK: the service manager

/// Sends one datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)).
int linux_notify(const char *path, const char *message);
