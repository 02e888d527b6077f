#include "CLinux.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

int linux_directory_events_create(void) {
    int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return descriptor < 0 ? -errno : descriptor;
}

int linux_watch_directory(int descriptor, const char *path) {
    uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | IN_MODIFY | IN_CLOSE_WRITE
        | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
    int watch = inotify_add_watch(descriptor, path, mask);
    return watch < 0 ? -errno : watch;
}

int linux_unwatch_directory(int descriptor, int watch) {
    return inotify_rm_watch(descriptor, watch) < 0 ? -errno : 0;
}

static uint32_t meaning(uint32_t mask) {
    return (mask & (IN_CREATE | IN_MOVED_TO | IN_ATTRIB) ? LINUX_ENTRY_APPEARED : 0)
        | (mask & (IN_DELETE | IN_MOVED_FROM) ? LINUX_ENTRY_GONE : 0) | (mask & IN_MODIFY ? LINUX_ENTRY_WRITING : 0)
        | (mask & IN_CLOSE_WRITE ? LINUX_ENTRY_WRITTEN : 0)
        | (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED) ? LINUX_DIRECTORY_GONE : 0)
        | (mask & IN_Q_OVERFLOW ? LINUX_EVENTS_LOST : 0);
}

int linux_read_directory_events(int descriptor, struct linux_directory_event *events, int capacity) {
    // Never more events than the caller takes: those without a name have 16 bytes. Room for one of the longest (inotify(7)).
    char buffer[LINUX_DIRECTORY_EVENTS * sizeof(struct inotify_event)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    if (capacity < LINUX_DIRECTORY_EVENTS) return -EINVAL;
    ssize_t length = read(descriptor, buffer, sizeof buffer);
    if (length < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    int count = 0;
    for (ssize_t offset = 0; offset < length; count++) {
        const struct inotify_event *event = (const struct inotify_event *)(buffer + offset);
        events[count].watch = event->wd;
        events[count].what = meaning(event->mask);
        events[count].name[0] = 0;
        if (event->len > 0) {
            strncpy(events[count].name, event->name, sizeof events[count].name - 1);
            events[count].name[sizeof events[count].name - 1] = 0;
        }
        offset += (ssize_t)sizeof(struct inotify_event) + event->len;
    }
    return count;
}
