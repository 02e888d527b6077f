#include "CLinux.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const char *linux_error_name(int code) {
    const char *name = strerrorname_np(code);
    return name ? name : "UNKNOWN";
}

const char *linux_error_text(int code) {
    const char *text = strerrordesc_np(code);
    return text ? text : "unknown error";
}

uint64_t linux_boot_time_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void linux_wall_time(int64_t *seconds, uint32_t *nanoseconds) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *seconds = now.tv_sec;
    *nanoseconds = (uint32_t)now.tv_nsec;
}

int linux_random(void *buffer, size_t count) {
    for (size_t done = 0; done < count;) {
        ssize_t got = getrandom((char *)buffer + done, count - done, 0);
        if (got < 0 && errno != EINTR) return -errno;
        if (got > 0) done += (size_t)got;
    }
    return 0;
}

int linux_thread_start(const char *name, void *(*body)(void *), void *argument, uint64_t *thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_t created;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&created, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) return -error;
    char shortened[16];
    strncpy(shortened, name, sizeof shortened - 1);
    shortened[sizeof shortened - 1] = 0;
    pthread_setname_np(created, shortened);
    *thread = (uint64_t)created;
    return 0;
}

int linux_thread_join(uint64_t thread) {
    return -pthread_join((pthread_t)thread, NULL);
}

int linux_thread_detach(uint64_t thread) {
    return -pthread_detach((pthread_t)thread);
}

uint64_t linux_thread_self(void) {
    return (uint64_t)pthread_self();
}

int linux_enter_network_namespace(int descriptor) {
    return setns(descriptor, CLONE_NEWNET) < 0 ? -errno : 0;
}

int linux_new_network_namespace(void) {
    return unshare(CLONE_NEWNET) < 0 ? -errno : 0;
}

int linux_keep_capabilities(uint64_t mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    for (int half = 0; half < 2; half++) {
        uint32_t part = (uint32_t)(mask >> (32 * half));
        data[half] = (struct __user_cap_data_struct){.effective = part, .permitted = part, .inheritable = 0};
    }
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int linux_effective_capabilities(uint64_t *mask) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    *mask = (uint64_t)data[1].effective << 32 | data[0].effective;
    return 0;
}

int linux_forbid_dumping(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

int linux_forbid_new_privileges(void) {
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
